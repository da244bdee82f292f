static inline uint32_t snn_classify(const snn_input *input)
{
    uint32_t t, i, best = 0;
    snn_start();
    for (t = 0; t < SNN_TIMESTEPS; t++) {
        snn_step(SNN_CONSTANT_INPUT ? input : input + (size_t)t * SNN_INPUTS, t);
    }
    for (i = 1; i < SNN_CLASSES; i++) {
        if (snn_counts[i] > snn_counts[best]) {
            best = i;
        }
    }
    return best;
}
