/* Constants of the neurons: one for each row (_each is 1) or one for all (0). No value leaves 32 bits, whatever the
 * input. */
#define SNN_NEURON_CONSTANTS \
    const int32_t *bias, *threshold, *multiplier; \
    const int8_t *shift; \
    uint32_t bias_each, threshold_each, multiplier_each, shift_each, beta_shift;
#if SNN_WEIGHT_BITS == 4
#define SNN_WEIGHT(layer, p) ((int32_t)(((layer)->weights[(p) / 2] >> ((p) % 2 * 4)) & 15) - 8)
#else
#define SNN_WEIGHT(layer, p) ((int32_t)(layer)->weights[p])
#endif
#define SNN_FIRST_SUM(layer, row) 0
#define SNN_CURRENT(layer, row, sum) \
    (snn_scaled(sum, (layer)->shift[(row) * (layer)->shift_each]) + (layer)->bias[(row) * (layer)->bias_each])
#define SNN_DECAYED(layer, row, potential) \
    snn_rounded((layer)->multiplier[(row) * (layer)->multiplier_each] * (potential), (layer)->beta_shift)
#define SNN_SUBTRACTED(decayed, current, reset) (((decayed) - (reset)) + (current))

/* value / 2^bits to the next whole number, a half upwards; C99 leaves >> of a negative number to the compiler. */
static inline int32_t snn_rounded(int32_t value, uint32_t bits)
{
    const int32_t sum = value + (int32_t)(((uint32_t)1 << bits) >> 1);
    return sum >= 0 ? sum >> bits : ~(~sum >> bits);
}

static inline int32_t snn_scaled(int32_t value, int8_t shift)
{
    return shift >= 0 ? value * (int32_t)((uint32_t)1 << shift) : snn_rounded(value, (uint32_t)-shift);
}
