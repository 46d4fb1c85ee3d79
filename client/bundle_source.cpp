// SPDX-License-Identifier: MIT
#include "client/bundle_source.h"

#include "client/child.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/profile/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace xk::client {
namespace {

constexpr std::size_t kMostSource = 64U * 1024; // bytes of a bundle or a profile, with blanks and line ends
constexpr std::size_t kTerminalLine = 4095;     // characters that a terminal takes in one line (N_TTY_BUF_SIZE)
constexpr int kMostPassphrases = 3;             // that are asked for
constexpr int kNoCode = 4;                      // exit code of zbarimg(1)
constexpr std::string_view kWhite = " \t\r\n";

using SourceText = WipedVector<char>;

std::string_view view(const SourceText& text) { return {text.data(), text.size()}; }
ByteView bytes(const Secret<char>& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

Error usage_error(std::string message, std::string hint) { return {std::move(message), std::move(hint), Exit::usage}; }

// To the end of the file, or of the line.
Result<SourceText> read_descriptor(int fd, bool one_line, std::size_t limit, const std::string& what) {
    SourceText text;
    char chunk[1024];
    const Wiped wiped(chunk);
    for (;;) {
        // One at a time where it must not take more than a line: the rest may be for somebody else.
        const ssize_t n = ::read(fd, chunk, one_line && ::isatty(fd) == 0 ? 1 : sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_error("reading " + what);
        text.insert(text.end(), chunk, chunk + n);
        if (text.size() > limit)
            return usage_error(what + " is longer than " + std::to_string(limit) + " bytes", {});
        const bool at_line_end = one_line && !text.empty() && text.back() == '\n';
        if (n == 0 || at_line_end)
            break;
    }
    if (one_line && !text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

Result<SourceText> read_standard_input() {
    if (::isatty(STDIN_FILENO) == 0)
        return read_descriptor(STDIN_FILENO, false, kMostSource, "standard input");
    std::fputs("knock-client: paste the bundle, then press Enter\n", stderr);
    auto line = read_descriptor(STDIN_FILENO, true, kMostSource, "standard input");
    if (line && line->size() >= kTerminalLine)
        return usage_error("a terminal takes no line as long as this bundle", "save it in a file, and use --file");
    return line;
}

// A bundle may be in any file; what it says is sealed.
Result<SourceText> read_any_file(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        return os_error(in_quotes(path));
    if (!S_ISREG(st.st_mode))
        return usage_error(in_quotes(path) + " is not a regular file",
                           "\"knock-client enroll -\" reads standard input");
    return read_descriptor(fd.get(), false, kMostSource, in_quotes(path));
}

Result<SourceText> read_own_file(const std::string& path) {
    FileRules rules;
    rules.secret = true;
    rules.max_size = kMostSource;
    auto fd = open_checked(path, rules);
    return fd ? read_descriptor(fd->get(), false, kMostSource, in_quotes(path)) : fd.error();
}

// The program of the distribution: decoders of pictures are large, and hostile pictures are their daily bread. What it
// finds is not for the desktop's bus (--nodbus).
Result<SourceText> read_image(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0)
        return os_error(in_quotes(path));
    const std::string file = path.starts_with('/') ? path : "./" + path;
    auto output =
        run_to_end({"zbarimg", "--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", file}, kMostSource);
    if (!output)
        return Error{"reading a QR code needs zbarimg: " + output.error().message,
                     "install it (package zbar-tools), or use the bundle's text: knock-client enroll -"};
    if (output->exit_code != 0 && output->exit_code != kNoCode)
        return Error{"zbarimg cannot read " + in_quotes(path), "a PNG file is always right"};
    // A picture of a whole page may have other codes too.
    SourceText found;
    for (auto line = output->text.begin(); line != output->text.end();) {
        const auto end = std::find(line, output->text.end(), '\n');
        if (const SourceText text(line, end); is_bundle(view(text))) {
            if (!found.empty() && view(found) != view(text))
                return Error{"there is more than one bundle in " + in_quotes(path), "cut out the one that is yours"};
            found = text;
        }
        line = end == output->text.end() ? end : end + 1;
    }
    if (found.empty())
        return Error{"there is no QR code of a bundle in " + in_quotes(path),
                     "the whole code must be in the picture, with its white border, and sharp"};
    return found;
}

Result<SourceText> read_source(const EnrollArguments& e) {
    return !e.image.empty() ? read_image(e.image) : !e.file.empty() ? read_any_file(e.file) : read_standard_input();
}

// Mail programs break lines.
SourceText without_blanks(const SourceText& text) {
    SourceText bare;
    bare.reserve(text.size());
    std::ranges::copy_if(text, std::back_inserter(bare), [](char c) { return kWhite.find(c) == kWhite.npos; });
    return bare;
}

Secret<char> secret_of(const SourceText& text) {
    Secret<char> secret(text.size());
    if (!text.empty())
        std::memcpy(secret.data(), text.data(), text.size());
    return secret;
}

Result<Secret<char>> open_by_descriptor(std::string_view line, int fd) {
    auto passphrase =
        read_descriptor(fd, true, kMaxBundlePassphrase + 1, "the passphrase of descriptor " + std::to_string(fd));
    if (!passphrase)
        return passphrase.error();
    return open_bundle(line, bytes(secret_of(*passphrase)));
}

Result<Secret<char>> open_by_person(std::string_view line, const Person& person) {
    if (!person.is_there())
        return usage_error("the bundle needs its passphrase, and there is no terminal to ask on",
                           "give it by a descriptor: --passphrase-fd 3 3<FILE");
    for (int tries = 1;; ++tries) {
        auto passphrase = person.ask_secret("Passphrase of the bundle: ", kMaxBundlePassphrase);
        if (!passphrase)
            return passphrase.error();
        auto text = open_bundle(line, bytes(*passphrase));
        if (text || tries == kMostPassphrases)
            return text;
        std::fprintf(stderr, "knock-client: %s\n", text.error().message.c_str());
    }
}

} // namespace

Result<ReceivedProfile> receive_profile(const EnrollArguments& e, const Person& person) {
    // What is started for a picture must not inherit the passphrase.
    if (e.passphrase_fd >= 0 && ::fcntl(e.passphrase_fd, F_SETFD, FD_CLOEXEC) != 0)
        return usage_error("descriptor " + std::to_string(e.passphrase_fd) + " is not open",
                           "--passphrase-fd 3 3<FILE");
    auto text = read_source(e);
    if (!text)
        return text.error();
    const SourceText line = without_blanks(*text);
    if (!is_bundle(view(line))) {
        if (!e.file.empty())
            text = read_own_file(e.file);
        if (!text)
            return text.error();
        if (text->empty())
            return usage_error("there is neither a bundle nor a profile", "a bundle is one line: \"xknock1:...\"");
        return ReceivedProfile{.text = secret_of(*text), .was_bundle = false};
    }
    if (auto whole = check_bundle(view(line)); !whole)
        return whole.error();
    auto opened =
        e.passphrase_fd >= 0 ? open_by_descriptor(view(line), e.passphrase_fd) : open_by_person(view(line), person);
    if (!opened)
        return opened.error();
    return ReceivedProfile{.text = *std::move(opened), .was_bundle = true};
}

} // namespace xk::client
