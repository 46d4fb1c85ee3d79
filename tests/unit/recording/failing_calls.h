// SPDX-License-Identifier: MIT
//
// Makes system calls fail that never fail on a healthy machine, by a seccomp filter of one thread or of a child.
#pragma once

#include <doctest/doctest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

namespace xk::test {

struct FailingCall {
    long number;                                                     // SYS_...
    int code;                                                        // its errno value
    std::optional<std::pair<unsigned, std::uint32_t>> argument = {}; // only where argument n has this value
};

// From now on the call fails in this thread, and in its children. False: the kernel takes no filter.
inline bool make_fail(const FailingCall& call) {
    const auto [index, value] = call.argument.value_or(std::pair(0u, 0u));
    const auto address = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * index); // the lower half
    sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call.number), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, address),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(call.argument ? 1 : 0)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(call.code)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(steps)), steps};
    const auto load = [&] { return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0; };
    return load() || (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && load()); // root needs no no_new_privs
}

// Calls `act` in a thread of its own in which the call fails.
inline void with_failing_call(const FailingCall& call, const std::function<void()>& act) {
    bool made = false;
    std::thread([&] {
        made = make_fail(call);
        if (made)
            act();
    }).join();
    REQUIRE(made);
}

} // namespace xk::test
