/* Constants of the neurons: one for each row (_each is 1) or one for all (0). */
#define SNN_NEURON_CONSTANTS \
    const float *bias, *beta, *threshold; \
    uint32_t bias_each, beta_each, threshold_each;
#define SNN_WEIGHT(layer, p) ((layer)->weights[p])
#define SNN_FIRST_SUM(layer, row) ((layer)->bias[(row) * (layer)->bias_each])
#define SNN_CURRENT(layer, row, sum) (sum)
/* The potential before a reset, after one step of decay. */
#define SNN_DECAYED(layer, row, potential) ((layer)->beta[(row) * (layer)->beta_each] * (potential))
/* Operations run in the order of snnTorch. */
#define SNN_SUBTRACTED(decayed, current, reset) (((decayed) + (current)) - (reset))
