/* A spiking neural network of leaky integrate-and-fire neurons; C99, static memory only. Include it in one file.
 *
@COMMENT@
 *
 * snn_classify() runs a sample; or snn_start(), then snn_step() for every step, with spikes in snn_counts.
 */
#ifndef SNN_H
#define SNN_H

#include <stddef.h>
#include <stdint.h>

@DEFINES@
#define SNN_INPUT_STEPS (SNN_CONSTANT_INPUT ? 1 : SNN_TIMESTEPS)

@TYPES@

@ARITHMETIC@

/* A row is a neuron, or a convolution's channel of height x width sums, of which squares of pool x pool are reduced to
 * their maximum. The tables further rows, numbered after the others, fire as table[row * SNN_TIMESTEPS + t] says. */
typedef struct {
    const snn_place *starts;
    const snn_column *columns;
    const snn_weight *weights;
    const uint8_t *table;
    SNN_NEURON_CONSTANTS
    uint32_t rows, tables, height, width, y_step, x_step, pool;
@IF BORDERS@
    /* What it reads, with a border of zeros: above and below, and beside it on both sides. */
    uint32_t in_channels, in_height, in_width, above, beside;
@END@
@IF RESETS@
    uint32_t to_zero;
@END@
} snn_layer;

@ARRAYS@

static const snn_layer snn_layers[SNN_LAYERS] = {
@LAYERS@
};

static snn_number snn_potentials[SNN_NEURONS];
#if SNN_KEPT_CURRENTS
static snn_number snn_currents[SNN_KEPT_CURRENTS];
#endif
static uint8_t snn_spikes[2][SNN_SPIKES];
static uint16_t snn_counts[SNN_CLASSES];

@IF BORDERS@
static uint8_t snn_bordered[SNN_BORDERED];

/* The values that a layer reads, with the border that it has. */
static inline const uint8_t *snn_with_border(const snn_layer *layer, const uint8_t *values)
{
    const uint32_t width = layer->in_width + 2 * layer->beside, height = layer->in_height + 2 * layer->above;
    uint8_t *to = snn_bordered;
    uint32_t c, y, x;
    if (layer->above == 0 && layer->beside == 0) {
        return values;
    }
    for (c = 0; c < layer->in_channels; c++) {
        for (y = 0; y < height; y++) {
            const int inside = y >= layer->above && y < layer->above + layer->in_height;
            for (x = 0; x < width; x++) {
                *to++ = inside && x >= layer->beside && x < layer->beside + layer->in_width ? *values++ : 0;
            }
        }
    }
    return snn_bordered;
}

@END@
/* The current of a row at a place, from the network's input or from spikes. */
static inline snn_number snn_current(const snn_layer *layer, uint32_t row, uint32_t at, const snn_input *input,
                                     const uint8_t *spikes)
{
    snn_number sum = SNN_FIRST_SUM(layer, row);
    const uint32_t end = layer->starts[row + 1];
    uint32_t p;
    if (input != NULL) {
        for (p = layer->starts[row]; p < end; p++) {
            sum += SNN_WEIGHT(layer, p) * input[layer->columns[p] + at];
        }
    } else {
        for (p = layer->starts[row]; p < end; p++) {
            if (spikes[layer->columns[p] + at]) {
                sum += SNN_WEIGHT(layer, p);
            }
        }
    }
    return SNN_CURRENT(layer, row, sum);
}

static inline snn_number snn_pooled(const snn_layer *layer, uint32_t row, uint32_t y, uint32_t x,
                                    const snn_input *input, const uint8_t *spikes)
{
    snn_number most = 0;
    uint32_t down, right;
    for (down = 0; down < layer->pool; down++) {
        for (right = 0; right < layer->pool; right++) {
            const uint32_t at = (y * layer->pool + down) * layer->y_step + (x * layer->pool + right) * layer->x_step;
            const snn_number current = snn_current(layer, row, at, input, spikes);
            if ((down == 0 && right == 0) || current > most) {
                most = current;
            }
        }
    }
    return most;
}

/* One step of a neuron; whether it fires. A spike resets it at the next step. */
static inline uint8_t snn_fire(const snn_layer *layer, uint32_t row, snn_number *potential, snn_number current)
{
    const snn_number threshold = layer->threshold[row * layer->threshold_each];
    const snn_number decayed = SNN_DECAYED(layer, row, *potential);
@IF RESETS@
    if (layer->to_zero) {
        *potential = (*potential > threshold ? 0 : decayed) + current;
        return *potential > threshold;
    }
@END@
#if SNN_RESET_TO_ZERO
    *potential = (*potential > threshold ? 0 : decayed) + current;
#else
    const snn_number reset = *potential > threshold ? threshold : 0;
    *potential = SNN_SUBTRACTED(decayed, current, reset);
#endif
    return *potential > threshold;
}

static inline void snn_start(void)
{
    size_t i;
    for (i = 0; i < SNN_NEURONS; i++) {
        snn_potentials[i] = 0;
    }
    for (i = 0; i < SNN_CLASSES; i++) {
        snn_counts[i] = 0;
    }
}

/* Step t, 0 to SNN_TIMESTEPS - 1, on input[SNN_INPUTS]; where SNN_CONSTANT_INPUT is 1, only step 0 reads it. */
static inline void snn_step(const snn_input *input, uint32_t t)
{
    const uint8_t *before = snn_spikes[1];
    snn_number *potential = snn_potentials;
    uint32_t number, row, y, x, i;
    for (number = 0; number < SNN_LAYERS; number++) {
        const snn_layer *layer = &snn_layers[number];
        const uint32_t height = layer->height / layer->pool, width = layer->width / layer->pool;
        uint8_t *spike = snn_spikes[number % 2];
        const uint8_t *own = spike;
#if SNN_KEPT_CURRENTS
        snn_number *kept = number == 0 ? snn_currents : NULL;
#endif
@IF BORDERS@
        if (number > 0) {
            before = snn_with_border(layer, before);
        } else if (t == 0 || !SNN_CONSTANT_INPUT) {
            input = snn_with_border(layer, input);
        }
@END@
        for (row = 0; row < layer->rows; row++) {
            for (y = 0; y < height; y++) {
                for (x = 0; x < width; x++) {
                    snn_number current;
#if SNN_KEPT_CURRENTS
                    if (kept != NULL) {
                        if (t == 0) {
                            *kept = snn_pooled(layer, row, y, x, input, NULL);
                        }
                        current = *kept++;
                    } else
#endif
                    {
                        current = snn_pooled(layer, row, y, x, number == 0 ? input : NULL, before);
                    }
                    *spike++ = snn_fire(layer, row, potential++, current);
                }
            }
        }
        for (row = 0; row < layer->tables; row++) {
            for (i = 0; i < height * width; i++) {
                *spike++ = layer->table[row * SNN_TIMESTEPS + t];
            }
        }
        before = own;
    }
    for (i = 0; i < SNN_CLASSES; i++) {
        snn_counts[i] = (uint16_t)(snn_counts[i] + before[i]);
    }
}

/* The class of a sample input[SNN_INPUT_STEPS * SNN_INPUTS], step after step; its spikes are in snn_counts. */
@CLASSIFY@

#endif
