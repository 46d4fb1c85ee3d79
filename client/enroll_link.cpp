// SPDX-License-Identifier: MIT
#include "client/enroll_link.h"

#include "protocol/base/bytes.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace xk::client {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::size_t kMostNoise = 64U * 1024;  // bytes of other programs before the first answer
constexpr std::size_t kMostErrors = 16U * 1024; // bytes of standard error that are printed
constexpr std::size_t kLongestAnswer = 512, kMostDevices = 100;
constexpr std::string_view kSuffix = ".yaml";
constexpr seconds kPatienceForEnd{10};
constexpr int kSshFailed = 255; // ssh(1): every failure of its own

// It goes through the user's login shell, whatever that is, to sh: one line in single quotes, without a quote, a
// backslash or an exclamation mark, means the same to sh, bash, zsh, fish and csh. MARK stands for random digits, so
// that nothing that a login prints is taken for an answer.
constexpr std::string_view kScript =
    R"(exec sh -c 'echo; cd "/var/spool/xknock/${LOGNAME:-$(id -un)}" 2>/dev/null && for f in *.yaml; do )"
    R"([ -f "$f" ] && [ -r "$f" ] && printf "%s file %s" MARK "$f" && echo; done; echo MARK ready; )"
    R"(while read -r verb f; do case $verb in )"
    R"(get) echo MARK time $(date +%s); n=$(wc -c <"$f") && echo MARK size $n && cat <"$f"; echo MARK end;; )"
    R"(remove) if rm -f -- "$f"; then echo MARK removed; else echo MARK kept; fi; exit;; *) exit;; esac; done')";

std::string script_with(const std::string& mark) {
    std::string script(kScript);
    constexpr std::string_view kMark = "MARK";
    for (std::size_t at = script.find(kMark); at != script.npos; at = script.find(kMark, at))
        script.replace(at, kMark.size(), mark);
    return script;
}

std::string random_mark() {
    Bytes<12> bytes;
    randombytes_buf(bytes.data(), bytes.size());
    return "xknock-" + to_hex(bytes);
}

// The user's own settings count, but for those that would keep a command from running, or lend the server something.
std::vector<std::string> ssh_command(const SshTarget& target, const std::string& mark) {
    std::vector<std::string> command = {"ssh", "-T", "-a", "-x"};
    for (const char* option : {"ClearAllForwardings=yes", "PermitLocalCommand=no", "RemoteCommand=none"})
        command.insert(command.end(), {"-o", option});
    command.insert(command.end(), target.options.begin(), target.options.end());
    command.insert(command.end(), {"--", target.destination, script_with(mark)});
    return command;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// What follows the word, or nothing where it is another one.
std::optional<std::string_view> after(std::string_view answer, std::string_view word) {
    if (!answer.starts_with(word))
        return std::nullopt;
    answer.remove_prefix(word.size());
    return answer;
}

// The device of "DEVICE.yaml". knockctl gives no other names; of others nothing is asked for.
std::optional<std::string> device_of(std::string_view file) {
    if (!file.ends_with(kSuffix) || !is_name(file.substr(0, file.size() - kSuffix.size())))
        return std::nullopt;
    return std::string(file.substr(0, file.size() - kSuffix.size()));
}

microseconds own_time() { return std::chrono::duration_cast<microseconds>(Now::read().wall.time_since_epoch()); }

} // namespace

Result<EnrollLink> EnrollLink::start(const SshTarget& target) {
    const std::string mark = random_mark();
    auto ssh = Child::start(ssh_command(target, mark), {.input = true, .errors = ChildErrors::pipe});
    if (!ssh)
        return Error{ssh.error().message, "install ssh (package openssh-client), or let the operator send a bundle"};
    return EnrollLink(std::move(*ssh), target.destination, mark);
}

Error EnrollLink::confused(const std::string& what) const {
    return {in_quotes(destination_) + " does not answer as an enrolment does: " + what,
            "it must run a command for you: try \"ssh " + as_line(destination_) +
                " true\". Or let the operator send a bundle"};
}

// A connection that ssh shares with others may keep standard error open for long, so the end of ssh ends this.
int EnrollLink::finish(std::chrono::milliseconds patience) {
    ssh_.close_output();
    ssh_.close_input();
    std::optional<int> code;
    for (const auto begin = BootClock::now(); !code && BootClock::now() - begin < patience;) {
        code = ssh_.exit_code();
        for (pollfd ready{ssh_.errors(), POLLIN, 0}; ::poll(&ready, 1, code ? 0 : 20) > 0 && receive_errors();) {
        }
    }
    print_errors(true);
    return code.value_or(0);
}

Error EnrollLink::ended() {
    if (finish(kPatienceForEnd) == kSshFailed) // it has said why
        return {"ssh has no connection to " + in_quotes(destination_), {}};
    return confused("the connection has ended");
}

// False at the end of standard error.
bool EnrollLink::receive_errors() {
    char chunk[1024];
    const ssize_t n = ::read(ssh_.errors(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    errors_.append(chunk, static_cast<std::size_t>(n));
    print_errors(errors_.size() > kLongestAnswer);
    return true;
}

void EnrollLink::print_errors(bool all) {
    for (;;) {
        std::size_t end = errors_.find('\n');
        if (end == errors_.npos && (!all || errors_.empty()))
            return;
        end = std::min(end, errors_.size());
        std::string line = errors_.substr(0, end);
        errors_.erase(0, end + 1);
        line.erase(line.find_last_not_of('\r') + 1);
        errors_printed_ += line.size() + 1;
        if (errors_printed_ <= kMostErrors)
            std::fprintf(stderr, "%s\n", as_line(line).c_str());
    }
}

Result<void> EnrollLink::receive() {
    pollfd ready[] = {{ssh_.output(), POLLIN, 0}, {ssh_.errors(), POLLIN, 0}};
    if (::poll(ready, std::size(ready), -1) < 0)
        return errno == EINTR ? Result<void>() : os_error("waiting for ssh");
    if (ready[1].revents != 0 && !receive_errors())
        ssh_.close_errors();
    if (ready[0].revents == 0)
        return {};
    if (filled_ == buffer_.size())
        return confused("its answer is too long");
    const ssize_t n = ::read(ssh_.output(), buffer_.data() + filled_, buffer_.size() - filled_);
    if (n < 0 && errno == EINTR)
        return {};
    if (n <= 0)
        return ended();
    filled_ += static_cast<std::size_t>(n);
    return {};
}

void EnrollLink::drop(std::size_t count) {
    std::memmove(buffer_.data(), buffer_.data() + count, filled_ - count);
    filled_ -= count;
}

// The first `size` bytes, and the line end behind them.
std::string EnrollLink::take_line(std::size_t size) {
    std::string line(buffer_.data(), size);
    drop(size + 1);
    return line;
}

// The rest of the next line of our script.
Result<std::string> EnrollLink::next_answer() {
    for (;;) {
        const std::string_view text(buffer_.data(), filled_);
        const std::size_t end = text.find('\n');
        const bool is_whole = end != text.npos;
        if (std::min(end, filled_) > kLongestAnswer && has_begun_)
            return confused("a line is too long");
        if (is_whole && end <= kLongestAnswer && text.starts_with(mark_ + " ")) {
            has_begun_ = true;
            return take_line(end).substr(mark_.size() + 1);
        }
        if (is_whole && has_begun_)
            return confused("it says something else in between");
        // A long line of another program is dropped as it comes.
        if (is_whole || filled_ > kLongestAnswer) {
            noise_ += is_whole ? end + 1 : filled_;
            drop(is_whole ? end + 1 : filled_);
        } else if (auto done = receive(); !done) {
            return done.error();
        }
        if (noise_ > kMostNoise)
            return confused("it says too much at a login");
    }
}

Result<std::vector<std::string>> EnrollLink::list_devices() {
    std::vector<std::string> devices;
    for (;;) {
        auto answer = next_answer();
        if (!answer)
            return answer.error();
        if (*answer == "ready")
            return devices;
        const auto file = after(*answer, "file ");
        if (!file)
            return confused("it neither lists profiles nor ends the list");
        if (auto device = device_of(*file))
            devices.push_back(*std::move(device));
        if (devices.size() > kMostDevices)
            return confused("more than " + std::to_string(kMostDevices) + " profiles wait there");
    }
}

Result<void> EnrollLink::send(const std::string& line) {
    for (std::string_view rest = line; !rest.empty();) {
        const ssize_t n = ::write(ssh_.input(), rest.data(), rest.size());
        if (n < 0 && errno != EINTR)
            return ended();
        rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    return {};
}

Result<void> EnrollLink::read_exactly(Secret<char>& to) {
    while (filled_ < to.size())
        if (auto done = receive(); !done)
            return done;
    std::memcpy(to.data(), buffer_.data(), to.size());
    drop(to.size());
    return {};
}

Result<FetchedProfile> EnrollLink::fetch(const std::string& device) {
    const microseconds before = own_time();
    if (auto sent = send("get " + device + std::string(kSuffix) + "\n"); !sent)
        return sent.error();
    auto answer = next_answer();
    if (!answer)
        return answer.error();
    const microseconds behind = own_time();
    const auto time = after(*answer, "time ");
    const auto server = time ? number_of<std::uint32_t>(*time) : std::nullopt; // seconds, until the year 2106
    if (!server)
        return confused("it does not say its time");
    FetchedProfile fetched;
    // The second that it names has begun, and has not ended, at some moment between the two of ours.
    fetched.server_ahead = {seconds(*server) - behind, seconds(*server) + seconds(1) - before};
    answer = next_answer();
    if (!answer)
        return answer.error();
    const auto said = after(*answer, "size ");
    const auto size = said ? number_of<std::size_t>(*said) : std::nullopt;
    if (!size || *size == 0 || *size > kMaxFetchedProfile)
        return confused(*answer == "end" ? "the profile is gone" : "the profile is empty, or too long");
    fetched.text = Secret<char>(*size);
    if (auto done = read_exactly(fetched.text); !done)
        return done.error();
    answer = next_answer();
    if (!answer || *answer != "end")
        return answer ? confused("the profile has another length than it says") : answer.error();
    return fetched;
}

Result<bool> EnrollLink::remove_there(const std::string& device) {
    if (auto sent = send("remove " + device + std::string(kSuffix) + "\n"); !sent)
        return sent.error();
    ssh_.close_input();
    auto answer = next_answer();
    if (!answer)
        return answer.error();
    finish(std::chrono::seconds(1)); // it may be ssh's connection for others too
    return *answer == "removed";
}

} // namespace xk::client
