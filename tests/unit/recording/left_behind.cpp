// SPDX-License-Identifier: MIT
#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

xk::ByteView wanted;
std::atomic<bool> watches = false, found = false;

bool holds_secret(const void* memory, std::size_t size) {
    const auto* const bytes = static_cast<const std::uint8_t*>(memory);
    return std::search(bytes, bytes + size, wanted.begin(), wanted.end()) != bytes + size;
}

} // namespace

// The linker puts this in the place of free(3) in everything but shared libraries (--wrap=free).
extern "C" void __real_free(void* memory);
extern "C" void __wrap_free(void* memory);
extern "C" void __wrap_free(void* memory) {
    if (memory != nullptr && watches && holds_secret(memory, ::malloc_usable_size(memory)))
        found = true;
    __real_free(memory);
}

void* operator new(std::size_t size) {
    if (void* const memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace xk::test {

bool leaves_behind(ByteView secret, const std::function<void()>& act) {
    constexpr std::size_t kStack = 1024 * 1024;
    void* const stack = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    REQUIRE(stack != MAP_FAILED);
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstack(&attributes, stack, kStack) == 0);
    // The frames of `act` lie below this room, so that the thread's own end does not write over them.
    const auto run = [](void* what) -> void* {
        [[maybe_unused]] volatile char room[64 * 1024]{};
        (*static_cast<const std::function<void()>*>(what))();
        return nullptr;
    };
    wanted = secret;
    found = false;
    watches = true;
    pthread_t thread;
    REQUIRE(::pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&act)) == 0);
    ::pthread_join(thread, nullptr);
    watches = false;
    const bool left = found || holds_secret(stack, kStack);
    ::pthread_attr_destroy(&attributes);
    ::munmap(stack, kStack);
    return left;
}

} // namespace xk::test
