// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/passphrase.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/profile/bundle.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace xk::tools {
namespace {

constexpr std::size_t kMost = kMaxBundlePassphrase;

// The terminal shows nothing and hands over each key, until this object ends. Keys do no signals meanwhile, so it
// cannot stay like this.
class RawTerminal {
  public:
    explicit RawTerminal(int tty) : tty_(tty), is_terminal_(::tcgetattr(tty, &before_) == 0) {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
        if (is_terminal_)
            ::tcsetattr(tty_, TCSAFLUSH, &raw);
    }
    ~RawTerminal() {
        if (is_terminal_)
            ::tcsetattr(tty_, TCSAFLUSH, &before_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    int tty_;
    termios before_{};
    bool is_terminal_;
};

// A byte, or nothing at the end.
Result<std::optional<char>> read_byte(int fd) {
    char c = 0;
    ssize_t n = 0;
    while ((n = ::read(fd, &c, 1)) < 0 && errno == EINTR) {
    }
    if (n < 0)
        return os_error("reading the passphrase");
    return n == 0 ? std::optional<char>() : std::optional(c);
}

Result<Passphrase> read_line_of(int fd, bool by_keys) {
    constexpr char kInterrupt = 3, kEnd = 4, kBackspace = 8, kDelete = 127;
    Passphrase line{Secret<char>(kMost), 0};
    for (;;) {
        const auto byte = read_byte(fd);
        if (!byte)
            return byte.error();
        if (!*byte || **byte == '\n' || **byte == '\r')
            return line;
        if (by_keys && (**byte == kInterrupt || **byte == kEnd))
            return Error{"no passphrase was given", {}};
        if (by_keys && (**byte == kBackspace || **byte == kDelete)) {
            line.size -= line.size > 0;
            continue;
        }
        if (line.size == kMost)
            return Error{"the passphrase is longer than " + std::to_string(kMost) + " bytes", {}, Exit::usage};
        line.memory[line.size++] = **byte;
    }
}

Result<Passphrase> ask(int tty, const char* question) {
    (void)!::write(tty, question, std::strlen(question));
    Result<Passphrase> line = Error{};
    {
        const RawTerminal raw(tty);
        line = read_line_of(tty, true);
    }
    (void)!::write(tty, "\n", 1);
    return line;
}

} // namespace

Result<Passphrase> read_passphrase(const std::string& file) {
    if (!file.empty()) {
        const Fd fd(file == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                : ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
        if (!fd)
            return os_error("opening " + in_quotes(file), "--passphrase-file names a file, or - for standard input");
        return read_line_of(fd.get(), false);
    }
    const Fd tty(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (!tty)
        return Error{"there is no terminal to ask for the bundle's passphrase",
                     "--passphrase-file FILE, or - for "
                     "standard input",
                     Exit::usage};
    auto first = ask(tty.get(), "Passphrase of the bundle: ");
    if (!first)
        return first;
    const auto second = ask(tty.get(), "Once more: ");
    if (!second)
        return second.error();
    if (first->size != second->size || std::memcmp(first->memory.data(), second->memory.data(), first->size) != 0)
        return Error{"the two passphrases differ", "try again"};
    return first;
}

} // namespace xk::tools
