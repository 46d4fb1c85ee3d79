// SPDX-License-Identifier: MIT
#include "client/person.h"

#include "client/quiet_terminal.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace xk::client {
namespace {

constexpr std::size_t kLongestReply = 256;

void show(int tty, const std::string& text) { (void)!::write(tty, text.data(), text.size()); }

// Into the caller's memory; the length without the line end. The terminal gives a line at a time.
Result<std::size_t> read_line(int tty, Secret<char>& line) {
    ssize_t n = 0;
    while ((n = ::read(tty, line.data(), line.size())) < 0 && errno == EINTR) {
    }
    if (n <= 0)
        return Error{"nothing was typed", {}};
    const auto size = static_cast<std::size_t>(n);
    if (line[size - 1] != '\n')
        return Error{"that line is too long", {}};
    return size - 1;
}

} // namespace

Person::Person() : tty_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {}

Result<Secret<char>> Person::ask_secret(const std::string& question, std::size_t limit) const {
    if (!is_there())
        return Error{"there is no terminal to ask on", {}};
    Secret<char> line(limit + 1);
    Result<std::size_t> size = std::size_t{0};
    {
        const QuietTerminal quiet(tty_.get());
        show(tty_.get(), as_line(question));
        size = read_line(tty_.get(), line);
        show(tty_.get(), "\n");
    }
    if (!size)
        return size.error();
    Secret<char> answer(*size);
    std::memcpy(answer.data(), line.data(), *size);
    return answer;
}

Result<std::string> Person::ask_line(const std::string& question) const {
    if (!is_there())
        return Error{"there is no terminal to ask on", {}};
    show(tty_.get(), as_line(question));
    Secret<char> line(kLongestReply);
    const auto size = read_line(tty_.get(), line);
    if (!size)
        return size.error();
    std::string text(line.data(), *size);
    text.erase(text.find_last_not_of(" \t\r") + 1);
    text.erase(0, text.find_first_not_of(" \t"));
    return text;
}

Result<bool> Person::ask_yes(const std::string& question) const {
    for (;;) {
        auto answer = ask_line(question + " [Y/n] ");
        if (!answer)
            return answer.error();
        if (answer->empty() || *answer == "y" || *answer == "Y" || *answer == "yes")
            return true;
        if (*answer == "n" || *answer == "N" || *answer == "no")
            return false;
        show(tty_.get(), "y or n?\n");
    }
}

} // namespace xk::client
