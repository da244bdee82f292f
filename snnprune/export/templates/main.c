/* Reads samples from a file or standard input, each SNN_INPUT_STEPS x SNN_INPUTS values of the type snn_input in the
 * machine's own bytes. Prints a line for each: its class, and each class's score (how often its neuron fired, if snn.h
 * does not say otherwise). */
#include <stdio.h>

#include "snn.h"

static snn_input input[SNN_INPUT_STEPS * SNN_INPUTS];

int main(int argc, char **argv)
{
    const size_t size = sizeof input / sizeof input[0];
    FILE *samples = argc > 1 ? fopen(argv[1], "rb") : stdin;
    size_t read;
    if (samples == NULL) {
        perror(argv[1]);
        return 1;
    }
    while ((read = fread(input, sizeof input[0], size, samples)) == size) {
        uint32_t i;
        printf("%u:", (unsigned)snn_classify(input));
        for (i = 0; i < SNN_CLASSES; i++) {
            printf(" %.9g", (double)snn_counts[i]);
        }
        printf("\n");
    }
    if (read != 0 || ferror(samples)) {
        fprintf(stderr, "the last sample is not whole: %u values of %u\n", (unsigned)read, (unsigned)size);
        return 1;
    }
    return 0;
}
