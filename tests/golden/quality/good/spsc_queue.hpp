#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace concurrency {

/// Bounded wait-free queue for exactly one producer and one consumer thread.
///
/// `head_` is only written by the consumer and `tail_` only by the producer.
/// Both count up without wrapping to the capacity, so `tail_ - head_` is the
/// number of stored elements and no slot has to stay empty.
template <typename T>
class SpscQueue {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "a throwing move would lose elements in try_pop");

public:
    /// The capacity is rounded up to a power of two.
    explicit SpscQueue(std::size_t min_capacity)
        : capacity_(std::bit_ceil(min_capacity < 1 ? 1 : min_capacity)),
          slots_(std::make_unique<Slot[]>(capacity_)) {}

    SpscQueue(const SpscQueue&) = delete;
    SpscQueue& operator=(const SpscQueue&) = delete;

    ~SpscQueue() {
        while (try_pop()) {
        }
    }

    /// Producer only. Returns false, leaving the arguments alone, when full.
    template <typename... Args>
    bool try_emplace(Args&&... args) {
        const auto tail = tail_.load(std::memory_order_relaxed);
        if (tail - cached_head_ == capacity_) {
            cached_head_ = head_.load(std::memory_order_acquire);
            if (tail - cached_head_ == capacity_) {
                return false;
            }
        }
        ::new (slot(tail).storage) T(std::forward<Args>(args)...);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    bool try_push(const T& value) { return try_emplace(value); }
    bool try_push(T&& value) { return try_emplace(std::move(value)); }

    /// Consumer only.
    std::optional<T> try_pop() {
        const auto head = head_.load(std::memory_order_relaxed);
        if (head == cached_tail_) {
            cached_tail_ = tail_.load(std::memory_order_acquire);
            if (head == cached_tail_) {
                return std::nullopt;
            }
        }
        T* element = slot(head).get();
        std::optional<T> result(std::move(*element));
        std::destroy_at(element);
        head_.store(head + 1, std::memory_order_release);
        return result;
    }

    std::size_t capacity() const noexcept { return capacity_; }

    /// A snapshot; only exact while neither side is active.
    std::size_t size_approx() const noexcept {
        const auto head = head_.load(std::memory_order_acquire);
        return tail_.load(std::memory_order_acquire) - head;
    }

private:
    struct Slot {
        alignas(T) std::byte storage[sizeof(T)];

        T* get() noexcept { return std::launder(reinterpret_cast<T*>(storage)); }
    };

    static constexpr std::size_t kCacheLine = 64;

    Slot& slot(std::size_t position) noexcept {
        return slots_[position & (capacity_ - 1)];
    }

    const std::size_t capacity_;
    const std::unique_ptr<Slot[]> slots_;

    // Each side keeps a stale copy of the other's index on its own cache line
    // and refreshes it only when the queue looks full or empty.
    alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
    std::size_t cached_head_ = 0;
    alignas(kCacheLine) std::atomic<std::size_t> head_{0};
    std::size_t cached_tail_ = 0;
};

}  // namespace concurrency
