// SPDX-License-Identifier: MIT
//
// Handle<T, Free>: unique_ptr for the handles of C libraries, with the free function in the type.
#pragma once

#include <memory>

namespace xk {

template <auto Free>
struct FreeWith {
    template <typename T>
    void operator()(T* p) const {
        Free(p);
    }
};

template <typename T, auto Free>
using Handle = std::unique_ptr<T, FreeWith<Free>>;

} // namespace xk
