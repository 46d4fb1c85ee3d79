// SPDX-License-Identifier: MIT
//
// Keeps the last warnings of libbpf and libxdp. They say more than errno, and our errors quote them; nothing goes to
// stderr.
#pragma once

#include "protocol/base/result.h"

#include <string>

namespace xk::xdp {

inline constexpr const char* kKernelHint =
    "xknockd needs Linux 5.10 or later and CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

// Each makes its library report to us and forgets what it reported before.
void record_libbpf_warnings();
void record_libxdp_warnings();

const std::string& last_libbpf_warning(); // empty where there was none

// os_error_of() with the library's warning in brackets. `code` is an errno, positive or negative.
Error libbpf_error(int code, const std::string& what, const std::string& hint = {});
Error libxdp_error(int code, const std::string& what, const std::string& hint = {});

} // namespace xk::xdp
