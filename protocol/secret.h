// SPDX-License-Identifier: MIT
//
// Secret<T>: owns one or many T with key material, in memory of sodium_malloc: locked against swapping, left out of
// core dumps, between guard pages, and wiped before it is freed. It can be moved, but not copied, compared or printed.
// wipe(): for copies on the stack that cannot be avoided.
// WipedVector<T>: memory on the heap that is wiped whenever it is freed, also where the vector grows.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace xk {

template <typename T>
class Secret {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>);

  public:
    // All bytes are zero. `count` may be 0. Aborts without memory, because nothing can go on then.
    explicit Secret(std::size_t count = 1) : count_(count) {
        if (sodium_init() < 0) // does nothing after the first time
            std::abort();
        data_ = static_cast<T*>(sodium_allocarray(count, sizeof(T)));
        if (data_ == nullptr)
            std::abort();
        sodium_memzero(data_, count * sizeof(T));
    }
    Secret(Secret&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    Secret& operator=(Secret&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
        return *this;
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { sodium_free(data_); } // wipes first

    T& operator*() { return *data_; }
    const T& operator*() const { return *data_; }
    T* operator->() { return data_; }
    const T* operator->() const { return data_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }
    std::size_t size() const { return count_; }
    T* data() { return data_; }
    const T* data() const { return data_; }

    // sodium_malloc locks its pages, but does not report when the limit (RLIMIT_MEMLOCK) forbids it.
    bool locked() const { return count_ == 0 || sodium_mlock(data_, count_ * sizeof(T)) == 0; }

  private:
    T* data_ = nullptr;
    std::size_t count_ = 0;
};

template <typename T>
void wipe(T& object) {
    static_assert(std::is_trivially_copyable_v<T>);
    sodium_memzero(&object, sizeof object);
}

template <typename T>
struct WipingAllocator {
    using value_type = T;
    T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
    void deallocate(T* memory, std::size_t count) noexcept {
        sodium_memzero(memory, count * sizeof(T));
        std::allocator<T>().deallocate(memory, count);
    }
    bool operator==(const WipingAllocator&) const = default;
};
template <typename T>
using WipedVector = std::vector<T, WipingAllocator<T>>;

// Wipes an object at the end of a scope, however the scope is left.
template <typename T>
class Wiped {
  public:
    explicit Wiped(T& object) : object_(object) {}
    ~Wiped() { wipe(object_); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;

  private:
    T& object_;
};

} // namespace xk
