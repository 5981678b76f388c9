// Package ring provides a growable double-ended queue backed by a circular
// buffer.
package ring

import "iter"

const minCapacity = 8

// Deque is a double-ended queue. The zero value is empty and ready to use.
// It is not safe for concurrent use.
type Deque[T any] struct {
	buf  []T
	head int // index of the first element
	size int
}

// WithCapacity returns an empty deque that can hold n elements before growing.
func WithCapacity[T any](n int) *Deque[T] {
	return &Deque[T]{buf: make([]T, max(n, minCapacity))}
}

// Len reports the number of elements.
func (d *Deque[T]) Len() int { return d.size }

// PushBack appends v.
func (d *Deque[T]) PushBack(v T) {
	d.reserve()
	d.buf[d.wrap(d.size)] = v
	d.size++
}

// PushFront prepends v.
func (d *Deque[T]) PushFront(v T) {
	d.reserve()
	d.head = d.wrap(len(d.buf) - 1)
	d.buf[d.head] = v
	d.size++
}

// PopFront removes and returns the first element. The boolean is false when
// the deque is empty.
func (d *Deque[T]) PopFront() (T, bool) {
	if d.size == 0 {
		var zero T
		return zero, false
	}
	v := d.take(d.head)
	d.head = d.wrap(1)
	d.shrink()
	return v, true
}

// PopBack removes and returns the last element. The boolean is false when the
// deque is empty.
func (d *Deque[T]) PopBack() (T, bool) {
	if d.size == 0 {
		var zero T
		return zero, false
	}
	v := d.take(d.wrap(d.size - 1))
	d.shrink()
	return v, true
}

// At returns the element at position i, counted from the front. It panics if i
// is out of range, like indexing a slice would.
func (d *Deque[T]) At(i int) T {
	if i < 0 || i >= d.size {
		panic("ring: index out of range")
	}
	return d.buf[d.wrap(i)]
}

// All iterates from front to back. The deque must not change meanwhile.
func (d *Deque[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := range d.size {
			if !yield(i, d.buf[d.wrap(i)]) {
				return
			}
		}
	}
}

// wrap converts an offset from the head into an index of the buffer.
func (d *Deque[T]) wrap(offset int) int {
	return (d.head + offset) % len(d.buf)
}

// take clears a slot, so that the garbage collector can reclaim what it held.
func (d *Deque[T]) take(index int) T {
	var zero T
	v := d.buf[index]
	d.buf[index] = zero
	return v
}

func (d *Deque[T]) shrink() {
	d.size--
	if len(d.buf) > minCapacity && d.size <= len(d.buf)/4 {
		d.resize(max(len(d.buf)/2, minCapacity))
	}
}

func (d *Deque[T]) reserve() {
	if d.size == len(d.buf) {
		d.resize(max(2*len(d.buf), minCapacity))
	}
}

func (d *Deque[T]) resize(capacity int) {
	buf := make([]T, capacity)
	n := copy(buf, d.buf[d.head:min(d.head+d.size, len(d.buf))])
	copy(buf[n:], d.buf[:d.size-n])
	d.buf, d.head = buf, 0
}
