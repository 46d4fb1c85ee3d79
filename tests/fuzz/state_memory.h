// SPDX-License-Identifier: MIT
//
// Memory for authz::State that is zero again for every input at the cost of the pages that were used, and
// random numbers that are the same in every run.
#pragma once

#include "daemon/authz/state.h"
#include "fuzz.h"

#include <sodium.h>
#include <sys/mman.h>

namespace xk::fuzz {

class StateMemory {
  public:
    static constexpr std::size_t kEntries = 4096; // an index of more would have to be made for every input
    static constexpr std::size_t kSize = authz::state_size(kEntries);

    StateMemory() {
        memory_ = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        FUZZ_CHECK(memory_ != MAP_FAILED);
    }
    ~StateMemory() { ::munmap(memory_, kSize); }
    StateMemory(const StateMemory&) = delete;
    StateMemory& operator=(const StateMemory&) = delete;

    void clear() { FUZZ_CHECK(::madvise(memory_, kSize, MADV_DONTNEED) == 0); }
    std::span<std::uint8_t> bytes() { return {static_cast<std::uint8_t*>(memory_), kSize}; }
    std::span<authz::ReplayEntry> replay() {
        return {reinterpret_cast<authz::ReplayEntry*>(static_cast<std::uint8_t*>(memory_) + sizeof(authz::StateImage)),
                kEntries};
    }
    authz::StateImage& image() { return *static_cast<authz::StateImage*>(memory_); }

  private:
    void* memory_;
};

// libsodium's random numbers become one fixed sequence, and begin it anew. Before any other use of libsodium.
inline void begin_fixed_randomness() {
    static std::uint64_t state;
    static randombytes_implementation fixed = [] {
        randombytes_implementation implementation{};
        implementation.implementation_name = [] { return "fixed"; };
        implementation.buf = [](void* to, const std::size_t size) {
            for (std::size_t i = 0; i < size; ++i) { // Knuth's MMIX generator; wraps by intent
                state = state * 6364136223846793005u + 1442695040888963407u;
                static_cast<std::uint8_t*>(to)[i] = static_cast<std::uint8_t>(state >> 56);
            }
        };
        implementation.random = [] {
            std::uint32_t number = 0;
            fixed.buf(&number, sizeof number);
            return number;
        };
        return implementation;
    }();
    state = 1;
    static const bool ready = [] { return randombytes_set_implementation(&fixed) == 0 && sodium_init() >= 0; }();
    FUZZ_CHECK(ready);
}

} // namespace xk::fuzz
