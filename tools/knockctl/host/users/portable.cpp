// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/portable.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

// The file itself is in this program, so that it does not matter whether the client's package is installed here.
asm(".pushsection .rodata, \"a\"\n"
    "xk_portable_client:\n"
    ".incbin \"" XK_PORTABLE_CLIENT "\"\n"
    "xk_portable_client_end:\n"
    ".byte 0\n"
    ".popsection\n"
    ".globl xk_portable_client\n"
    ".globl xk_portable_client_end\n");
extern "C" {
extern const char xk_portable_client[];
extern const char xk_portable_client_end[];
}

namespace xk::tools {
namespace {

constexpr std::size_t kBlock = 512;

// A header block of ustar.
struct TarHeader {
    char name[100], mode[8], uid[8], gid[8], size[12], time[12], sum[8], type, link[100], magic[6], version[2],
        user[32], group[32], device[16], prefix[155], rest[12];
};
static_assert(sizeof(TarHeader) == kBlock);

template <std::size_t N>
void put_octal(char (&field)[N], unsigned long long number) {
    char text[32];
    const int size = std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(N - 1), number);
    std::memcpy(field, text, std::min<std::size_t>(static_cast<std::size_t>(size), N - 1));
}

void add_file(WipedText& tar, const std::string& name, unsigned mode, std::string_view content, std::time_t now) {
    TarHeader header{};
    name.copy(header.name, sizeof header.name - 1);
    put_octal(header.mode, mode);
    put_octal(header.uid, 0);
    put_octal(header.gid, 0);
    put_octal(header.size, content.size());
    put_octal(header.time, static_cast<unsigned long long>(std::max<std::time_t>(now, 0)));
    header.type = '0';
    std::memcpy(header.magic, "ustar", 6);
    std::memcpy(header.version, "00", 2);
    std::memset(header.sum, ' ', sizeof header.sum);
    const auto* const bytes = reinterpret_cast<const unsigned char*>(&header);
    const unsigned sum = std::accumulate(bytes, bytes + sizeof header, 0u);
    std::snprintf(header.sum, sizeof header.sum, "%06o", sum);
    tar += {reinterpret_cast<const char*>(&header), sizeof header};
    tar += content;
    tar.resize((tar.size() + kBlock - 1) / kBlock * kBlock);
}

} // namespace

std::string_view portable_client() {
    return {xk_portable_client, static_cast<std::size_t>(xk_portable_client_end - xk_portable_client)};
}

WipedText portable_tar(const std::string& name, std::string_view profile, std::time_t now) {
    WipedText tar;
    add_file(tar, name + "/xknock.py", 0755, portable_client(), now);
    add_file(tar, name + "/profile.yaml", 0600, profile, now);
    tar.resize(tar.size() + 2 * kBlock); // the end of the archive
    return tar;
}

} // namespace xk::tools
