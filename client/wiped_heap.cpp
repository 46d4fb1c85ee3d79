// SPDX-License-Identifier: MIT
//
// What the heap gets back is wiped. A profile has keys as text, and yaml-cpp leaves copies of it in memory that it has
// freed, which is neither locked nor kept from core dumps and children. Builds with a sanitizer keep its own operators.
#include <malloc.h>
#include <string.h>

#include <cstdlib>
#include <new>

void operator delete(void* memory) noexcept {
    if (memory == nullptr)
        return;
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
