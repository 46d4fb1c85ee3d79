// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/lines.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace xk::tools::takeover {
namespace {

constexpr std::string_view kWhite = " \t\r\n\v\f";
constexpr std::size_t kShortestSecret = 16; // RFC 4226, R6

Result<WipedText> read_all(const Fd& fd, const std::string& path) {
    WipedText text;
    text.resize(kMostSource + 1);
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t n = ::read(fd.get(), text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_error("reading " + in_quotes(path));
        if (n == 0)
            break;
        size += static_cast<std::size_t>(n);
    }
    if (size > kMostSource)
        return Error{in_quotes(path) + " is larger than " + std::to_string(kMostSource / 1024) + " KiB",
                     "such a file has a few lines for each user: name the right one", Exit::configuration};
    text.resize(size);
    return text;
}

} // namespace

Result<Source> read_source(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!fd && errno == ELOOP)
        return Error{in_quotes(path) + " is a symbolic link", "name the file itself", Exit::configuration};
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        return os_error("opening " + in_quotes(path));
    if (!S_ISREG(st.st_mode))
        return Error{in_quotes(path) + " is not a regular file", "name the file that the other server reads",
                     Exit::configuration};
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Error{in_quotes(path) + " can be written by others, who may have put keys of their own into it",
                     "look at it, and then: chmod go-w " + as_line(path), Exit::configuration};
    auto text = read_all(fd, path);
    if (!text)
        return text.error();
    if (const auto at = text->view().find('\0'); at != std::string_view::npos)
        return Error{as_line(path) + ":" +
                         std::to_string(1 + std::count(text->view().begin(),
                                                       text->view().begin() + static_cast<std::ptrdiff_t>(at), '\n')) +
                         ": there is a byte of zero, so this is no text",
                     "name the file that the other server reads", Exit::configuration};
    return Source{*std::move(text), (st.st_mode & S_IROTH) != 0};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(kWhite);
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(kWhite) + 1 - first);
}

std::vector<TextLine> lines_of(std::string_view text) {
    std::vector<TextLine> lines;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        lines.push_back({number, trimmed(line)});
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return lines;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return lower;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const auto first = text.find_first_not_of(separators);
        if (first == text.npos)
            break;
        const auto end = std::min(text.find_first_of(separators, first), text.size());
        words.push_back(text.substr(first, end - first));
        text.remove_prefix(end);
    }
    return words;
}

std::optional<unsigned> number_of(std::string_view text) {
    unsigned number = 0;
    if (text.empty() || text.size() > 9)
        return std::nullopt;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::optional<PortRange> port_range(IpProtocol protocol, std::string_view text) {
    const auto between = text.find_first_of(":-");
    const auto first = number_of(text.substr(0, between));
    const auto last = between == text.npos ? first : number_of(text.substr(between + 1));
    if (!first || !last || *first == 0 || *last > 65535 || *first > *last)
        return std::nullopt;
    return PortRange{protocol, static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

std::optional<WipedText> code_secret(std::string_view base32) {
    WipedText plain;
    for (const char c : base32)
        if (c != ' ' && c != '=' && c != '-')
            plain += std::string_view(&c, 1);
    Secret<Bytes<kMaxTotpSecret>> bytes;
    std::size_t size = from_base32(plain.view(), *bytes);
    if (size < kShortestSecret || all_zero(*bytes))
        return std::nullopt;
    for (; size < kMinTotpSecret; ++size)
        (*bytes)[size] = 0;
    WipedText text = WipedText::from(to_base32(std::span(*bytes).first(size)));
    text += "\n";
    return text;
}

Error not_of_kind(const std::string& file, const std::string& kind, const std::string& what, std::string hint) {
    return {in_quotes(file) + " is no file of " + kind + ": " + what, std::move(hint), Exit::configuration};
}

} // namespace xk::tools::takeover
