#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_ROW 16
#define GROUP_SIZE 8

struct row {
    unsigned char bytes[BYTES_PER_ROW];
    size_t length;
};

static bool same_row(const struct row *a, const struct row *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static void print_hex(const struct row *row)
{
    for (size_t i = 0; i < BYTES_PER_ROW; i++) {
        if (i % GROUP_SIZE == 0)
            putchar(' ');
        if (i < row->length)
            printf(" %02x", row->bytes[i]);
        else
            fputs("   ", stdout);
    }
}

static void print_text(const struct row *row)
{
    fputs("  |", stdout);
    for (size_t i = 0; i < row->length; i++)
        putchar(isprint(row->bytes[i]) ? row->bytes[i] : '.');
    fputs("|\n", stdout);
}

/* Runs of identical rows are folded into a single "*" line. */
static void dump(FILE *input)
{
    struct row previous = {.length = 0};
    struct row current;
    unsigned long long offset = 0;
    bool folding = false;

    while ((current.length = fread(current.bytes, 1, BYTES_PER_ROW, input)) > 0) {
        bool repeated = offset > 0 && same_row(&current, &previous);

        if (!repeated) {
            printf("%08llx", offset);
            print_hex(&current);
            print_text(&current);
        } else if (!folding) {
            puts("*");
        }

        folding = repeated;
        previous = current;
        offset += current.length;
    }
    printf("%08llx\n", offset);
}

static bool dump_file(const char *path)
{
    FILE *input = fopen(path, "rb");
    if (input == NULL) {
        fprintf(stderr, "hexview: %s: %s\n", path, strerror(errno));
        return false;
    }

    dump(input);
    bool complete = !ferror(input);
    if (!complete)
        fprintf(stderr, "hexview: %s: read error\n", path);
    fclose(input);
    return complete;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        dump(stdin);
        return ferror(stdin) ? EXIT_FAILURE : EXIT_SUCCESS;
    }

    int status = EXIT_SUCCESS;
    for (int i = 1; i < argc; i++) {
        if (argc > 2)
            printf("== %s ==\n", argv[i]);
        if (!dump_file(argv[i]))
            status = EXIT_FAILURE;
    }
    return status;
}
