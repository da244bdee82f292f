/* A spiking neural network as a graph of nodes in the order of one time step; C99, static memory only. Include it in one
 * file.
 *
@COMMENT@
 *
 * snn_classify() runs a sample; or snn_start(), then snn_step() for every step, with the scores so far in snn_counts.
 */
#ifndef SNN_H
#define SNN_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

@DEFINES@
#define SNN_INPUT_STEPS (SNN_CONSTANT_INPUT ? 1 : SNN_TIMESTEPS)

@TYPES@

enum { SNN_SUM, SNN_HIGHEST, SNN_NEURONS };
enum { SNN_NONE, SNN_SUBTRACT, SNN_ZERO, SNN_WHOLE };

/* A node adds up the values of those that it reads. Of the sum, as channels of height x width with a border, sums and
 * maxima take taps: row j at (y, x) is bias[j] and weights[p] * laid[columns[p] + y * y_step + x * x_step] for p from
 * starts[j] to starts[j + 1], or the highest of these. Neurons have it as their current. Constants of neurons are one
 * for each (_each is 1) or one for all (0). */
typedef struct {
    const snn_place *starts;
    const snn_column *columns;
    const float *weights, *bias, *alpha, *beta, *threshold;
    uint32_t alpha_each, beta_each, threshold_each;
    uint32_t kind, reset, delayed, gives_potential, constant;
    uint32_t reads, read, at, size, state;
    uint32_t channels, height, width, top, left, padded_height, padded_width;
    uint32_t rows, out_height, out_width, y_step, x_step;
} snn_node;

@ARRAYS@

/* Where in snn_values those begin that the nodes read, one node's after the other's, and last the output's. */
static const uint32_t snn_reads[] = {
@READS@
};

static const snn_node snn_nodes[SNN_NODES] = {
@NODES@
};

/* The input, and every node's values. */
static float snn_values[SNN_VALUES];
static float snn_states[SNN_STATES];
static float snn_laid[SNN_LAID];
static float snn_counts[SNN_CLASSES];

/* What a node computes with: the sum of what it reads, with a border where it has one. */
static inline const float *snn_lay(const snn_node *node)
{
    const uint32_t area = node->height * node->width, padded = node->padded_height * node->padded_width;
    const uint32_t *reads = snn_reads + node->reads;
    uint32_t c, y, x, n;
    if (node->read == 1 && padded == area) {
        return snn_values + reads[0];
    }
    for (n = 0; n < node->channels * padded; n++) {
        snn_laid[n] = node->kind == SNN_HIGHEST ? -FLT_MAX : 0;
    }
    for (c = 0; c < node->channels; c++) {
        for (y = 0; y < node->height; y++) {
            for (x = 0; x < node->width; x++) {
                const uint32_t from = c * area + y * node->width + x;
                float sum = snn_values[reads[0] + from];
                for (n = 1; n < node->read; n++) {
                    sum += snn_values[reads[n] + from];
                }
                snn_laid[c * padded + (y + node->top) * node->padded_width + x + node->left] = sum;
            }
        }
    }
    return snn_laid;
}

static inline void snn_taps(const snn_node *node, const float *laid, float *out)
{
    uint32_t row, y, x, p;
    for (row = 0; row < node->rows; row++) {
        const uint32_t start = node->starts[row], end = node->starts[row + 1];
        for (y = 0; y < node->out_height; y++) {
            for (x = 0; x < node->out_width; x++) {
                const float *from = laid + y * node->y_step + x * node->x_step;
                float value;
                if (node->kind == SNN_SUM) {
                    value = node->bias[row];
                    for (p = start; p < end; p++) {
                        value += node->weights[p] * from[node->columns[p]];
                    }
                } else {
                    value = -FLT_MAX;
                    for (p = start; p < end; p++) {
                        if (from[node->columns[p]] > value) {
                            value = from[node->columns[p]];
                        }
                    }
                }
                *out++ = value;
            }
        }
    }
}

/* A step of neurons, in the order of snnTorch's operations. Their potentials come first in snn_states, then their
 * synapses' currents where there are such. */
static inline void snn_neurons(const snn_node *node, const float *laid, float *out)
{
    uint32_t i;
    for (i = 0; i < node->size; i++) {
        float *potential = snn_states + node->state + i;
        const float threshold = node->threshold[i * node->threshold_each], before = *potential;
        const float beta = node->beta[i * node->beta_each];
        const int fired = before > threshold;
        float current = laid[i], now;
        int fires;
        if (node->alpha != NULL) {
            current += node->alpha[i * node->alpha_each] * potential[node->size];
            potential[node->size] = current;
        }
        now = beta * (node->reset == SNN_ZERO && fired ? 0 : before) + current;
        if (fired && node->reset == SNN_SUBTRACT) {
            now -= threshold;
        } else if (fired && node->reset == SNN_WHOLE) {
            now = 0;
        }
        fires = now > threshold;
        if (!node->delayed && node->reset != SNN_NONE) {
            now -= (float)(fires - fired) * (node->reset == SNN_SUBTRACT ? threshold : now);
        }
        *potential = now;
        out[i] = node->gives_potential ? now : (float)fires;
    }
}

static inline void snn_start(void)
{
    size_t i;
    for (i = 0; i < SNN_VALUES; i++) {
        snn_values[i] = 0;
    }
    for (i = 0; i < SNN_STATES; i++) {
        snn_states[i] = 0;
    }
    for (i = 0; i < SNN_CLASSES; i++) {
        snn_counts[i] = 0;
    }
}

/* Step t, 0 to SNN_TIMESTEPS - 1, on input[SNN_INPUTS]; where SNN_CONSTANT_INPUT is 1, only step 0 reads it. */
static inline void snn_step(const snn_input *input, uint32_t t)
{
    uint32_t number, i, n;
    if (t == 0 || !SNN_CONSTANT_INPUT) {
        for (i = 0; i < SNN_INPUTS; i++) {
            snn_values[i] = input[i];
        }
    }
    for (number = 0; number < SNN_NODES; number++) {
        const snn_node *node = &snn_nodes[number];
        if (t > 0 && node->constant) {
            continue;
        }
        if (node->kind == SNN_NEURONS) {
            snn_neurons(node, snn_lay(node), snn_values + node->at);
        } else {
            snn_taps(node, snn_lay(node), snn_values + node->at);
        }
    }
    for (i = 0; i < SNN_CLASSES; i++) {
        float now = 0;
        for (n = SNN_OUTPUT; n < sizeof snn_reads / sizeof snn_reads[0]; n++) {
            now += snn_values[snn_reads[n] + i];
        }
        snn_counts[i] = (SNN_LAST_STEP_ALONE ? 0 : snn_counts[i]) + now / SNN_DIVISOR;
    }
}

/* The class of a sample input[SNN_INPUT_STEPS * SNN_INPUTS], step after step; its scores are in snn_counts. */
@CLASSIFY@

#endif
