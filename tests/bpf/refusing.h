// SPDX-License-Identifier: MIT
//
// System calls that the kernel refuses to one thread of a test, which ends with them.
#pragma once

#include <doctest/doctest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

namespace xk::test {

// `call` fails with `code`: always, or where one of its arguments has this value (a command of bpf(2), say).
inline bool refuse(int call, std::optional<std::uint32_t> value, int code, unsigned argument) {
    const auto is_value = static_cast<std::uint16_t>(BPF_JMP | (value ? BPF_JEQ : BPF_JGE) | BPF_K);
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * argument)),
        BPF_JUMP(is_value, value.value_or(0), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(code)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(filter), filter};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The first word of an argument is its lower half.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <typename Act>
auto refusing(int call, std::optional<std::uint32_t> value, int code, const Act& act, unsigned argument = 0) {
    std::optional<decltype(act())> result;
    bool refused = false;
    std::thread([&] {
        refused = refuse(call, value, code, argument);
        result.emplace(act());
    }).join();
    REQUIRE(refused);
    return *std::move(result);
}

} // namespace xk::test
