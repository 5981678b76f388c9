/*
 * A bump allocator with savepoints.
 *
 * Memory comes from a chain of blocks. Allocation moves a cursor forward in
 * the newest block; nothing is freed one by one. A caller can remember the
 * current position with arena_mark() and later drop everything allocated since
 * with arena_rewind().
 */

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_DEFAULT_BLOCK (64 * 1024)

struct block {
    struct block *previous;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *newest;
    size_t block_size;
};

struct arena_mark {
    struct block *block;
    size_t used;
};

void arena_init(struct arena *arena, size_t block_size)
{
    arena->newest = NULL;
    arena->block_size = block_size > 0 ? block_size : ARENA_DEFAULT_BLOCK;
}

static size_t align_up(size_t offset, size_t alignment)
{
    return (offset + alignment - 1) & ~(alignment - 1);
}

static struct block *push_block(struct arena *arena, size_t minimum)
{
    size_t capacity = minimum > arena->block_size ? minimum : arena->block_size;
    if (capacity > SIZE_MAX - sizeof(struct block))
        return NULL;

    struct block *block = malloc(sizeof *block + capacity);
    if (block == NULL)
        return NULL;

    block->previous = arena->newest;
    block->capacity = capacity;
    block->used = 0;
    arena->newest = block;
    return block;
}

/* Returns NULL when out of memory. The alignment must be a power of two no
 * larger than that of max_align_t. */
void *arena_alloc_aligned(struct arena *arena, size_t size, size_t alignment)
{
    struct block *block = arena->newest;
    size_t start = block != NULL ? align_up(block->used, alignment) : 0;

    if (block == NULL || start > block->capacity || size > block->capacity - start) {
        block = push_block(arena, size);
        if (block == NULL)
            return NULL;
        start = 0;
    }

    block->used = start + size;
    return block->data + start;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_alloc_aligned(arena, size, alignof(max_align_t));
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;

    void *memory = arena_alloc(arena, count * size);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != '\0')
        length++;

    char *copy = arena_alloc_aligned(arena, length + 1, 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    struct block *newest = arena->newest;
    return (struct arena_mark){newest, newest != NULL ? newest->used : 0};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    while (arena->newest != mark.block) {
        struct block *doomed = arena->newest;
        arena->newest = doomed->previous;
        free(doomed);
    }
    if (arena->newest != NULL)
        arena->newest->used = mark.used;
}

void arena_destroy(struct arena *arena)
{
    arena_rewind(arena, (struct arena_mark){NULL, 0});
}
