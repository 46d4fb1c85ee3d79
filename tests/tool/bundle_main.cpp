// SPDX-License-Identifier: MIT
//
// Seals standard input into a bundle by a passphrase, as cheaply as can be, or opens one. For tests.
#include "protocol/profile/bundle.h"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("xk-bundle seal|open PASSPHRASE\n", stderr);
        return 2;
    }
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    const auto bytes = [](const std::string& s) {
        return xk::ByteView(reinterpret_cast<const std::uint8_t*>(s.data()), s.size());
    };
    if (std::string_view(argv[1]) == "seal") {
        const auto line = xk::seal_bundle(bytes(text), bytes(argv[2]), xk::kLeastBundleCost);
        std::printf("%s\n", (line ? *line : line.error().message).c_str());
        return line ? 0 : 1;
    }
    const auto opened = xk::open_bundle(text.substr(0, text.find('\n')), bytes(argv[2]));
    if (!opened)
        return std::printf("%s\n", opened.error().message.c_str()), 1;
    return std::fwrite(opened->data(), 1, opened->size(), stdout) == opened->size() ? 0 : 1;
}
