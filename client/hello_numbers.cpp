// SPDX-License-Identifier: MIT
#include "client/hello_numbers.h"

#include "client/state_file.h"
#include "protocol/base/fd.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace xk::client {
namespace {

using handshake::Number;

// So many strides of each run begin at the last answer again, because one of them may have been lost. The others go on
// where the last run ended.
constexpr std::uint32_t kNearStrides = 8;
// Among the strides every so many-th hello has the next number again: the network may just have come back.
constexpr unsigned kNextAmongStrides = 10;
// No hello of any run has a number above the last one of the protocol.
constexpr Number kMostAnswered = handshake::kLastNumber - Number{kHelloWindow} * (kMostStrides + 1);

constexpr std::size_t kMostText = 64;

Number next_behind(HelloState& state) {
    const Number number = state.answered + 1 + state.tried;
    state.tried = (state.tried + 1) % kHelloWindow;
    return number;
}

Number next_stride(HelloState& state, std::uint32_t& in_run) {
    if (in_run < kNearStrides)
        return state.answered + Number{kHelloWindow} * ++in_run;
    state.strides = state.strides >= kMostStrides ? kNearStrides : std::max(state.strides, kNearStrides);
    return state.answered + Number{kHelloWindow} * ++state.strides;
}

// Waits for the other clients, which have it for a moment. A file of somebody else, or one that others can write, is
// not used.
Fd locked_file(const std::string& file) {
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 077) != 0 || ::flock(fd.get(), LOCK_EX) != 0)
        return {};
    return fd;
}

HelloState read_from(const Fd& fd) {
    std::string text(kMostText, '\0');
    const ssize_t size = ::pread(fd.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return parse_hello_state(text).value_or(HelloState{});
}

template <typename T>
bool take_number(std::string_view& text, T& number, char behind) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || end == text.data() + text.size() || *end != behind)
        return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
}

} // namespace

Number HelloPlan::next(HelloState& state) {
    const unsigned index = count_++;
    if (index < kFirst || index % kNextAmongStrides == 0)
        return next_behind(state);
    // A server that lost what it knew begins at the beginning.
    if (index == kFirst + 1 && state.answered >= kHelloWindow)
        return kHelloWindow;
    return next_stride(state, strides_);
}

void note_answer(HelloState& state, Number number) {
    // Another client's answer may have come meanwhile. One that is far behind comes from a server that began anew.
    if (number < state.answered && state.answered - number <= kHelloWindow)
        return;
    state = {.answered = std::min(number, kMostAnswered)};
}

std::string text_of(const HelloState& state) {
    return std::to_string(state.answered) + " " + std::to_string(state.tried) + " " + std::to_string(state.strides) +
           "\n";
}

std::optional<HelloState> parse_hello_state(const std::string& text) {
    HelloState state;
    std::string_view rest = text;
    if (!take_number(rest, state.answered, ' ') || !take_number(rest, state.tried, ' ') ||
        !take_number(rest, state.strides, '\n') || !rest.empty() || state.answered > kMostAnswered ||
        state.tried >= kHelloWindow || state.strides > kMostStrides)
        return std::nullopt;
    return state;
}

HelloNumbers::HelloNumbers(const Profile& profile) : file_("hello-" + to_hex(profile.credential)) {}

template <typename Change>
void HelloNumbers::change(Change change) {
    const std::string directory = made_state_directory();
    const Fd fd = directory.empty() ? Fd() : locked_file(directory + "/" + file_);
    HelloState state = fd ? read_from(fd) : in_memory_;
    change(state);
    in_memory_ = state;
    const std::string text = text_of(state);
    if (!fd || ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0)
        return; // the strides find what is forgotten
}

Number HelloNumbers::next(HelloPlan& plan) {
    Number number = 0;
    change([&](HelloState& state) { number = plan.next(state); });
    return number;
}

void HelloNumbers::answered(Number number) {
    change([&](HelloState& state) { note_answer(state, number); });
}

} // namespace xk::client
