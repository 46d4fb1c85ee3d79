// SPDX-License-Identifier: MIT
#include "daemon/xdp/library_warnings.h"

#include "protocol/base/quote.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace xk::xdp {
namespace {

struct Warnings {
    std::string last;
    std::string_view prefix; // of each line that the library writes
};
Warnings libbpf{{}, "libbpf: "};
Warnings libxdp{{}, "libxdp: "};

[[gnu::format(printf, 2, 0)]] void record(Warnings& of, const char* format, va_list arguments) {
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    of.last = line;
    of.last.erase(of.last.find_last_not_of('\n') + 1);
    if (of.last.starts_with(of.prefix))
        of.last.erase(0, of.prefix.size());
}

[[gnu::format(printf, 2, 0)]] int on_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_WARN)
        record(libbpf, format, arguments);
    return 0;
}

[[gnu::format(printf, 2, 0)]] int on_libxdp(libxdp_print_level level, const char* format, va_list arguments) {
    if (level == LIBXDP_WARN)
        record(libxdp, format, arguments);
    return 0;
}

Error with_warning(Error error, const Warnings& of) {
    if (!of.last.empty())
        error.message += " (" + printable(of.last) + ")";
    return error;
}

} // namespace

void record_libbpf_warnings() {
    libbpf.last.clear();
    libbpf_set_print(on_libbpf);
}

void record_libxdp_warnings() {
    libxdp.last.clear();
    libxdp_set_print(on_libxdp);
}

const std::string& last_libbpf_warning() { return libbpf.last; }

Error libbpf_error(int code, const std::string& what, const std::string& hint) {
    return with_warning(os_error_of(code, what, hint), libbpf);
}

Error libxdp_error(int code, const std::string& what, const std::string& hint) {
    return with_warning(os_error_of(code, what, hint), libxdp);
}

} // namespace xk::xdp
