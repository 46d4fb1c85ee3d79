// SPDX-License-Identifier: MIT
#include "client/code.h"

#include "client/clock_check.h"
#include "client/program.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace xk::client {
namespace {

using std::chrono::milliseconds;
using MaybeCode = Result<std::optional<std::string>>;

constexpr std::chrono::seconds kCommandPatience{30};
constexpr milliseconds kLook{50};
// The other process's code may have opened the port: a try every second shows that.
constexpr milliseconds kAfterAnother{1300};
// Programs and secrets give a new code in each step.
constexpr int kMostSteps = 2;

bool pause(milliseconds time) {
    ::poll(nullptr, 0, static_cast<int>(time.count()));
    return false;
}

std::string without_blanks(std::string code) {
    std::erase_if(code, [](char c) { return c == ' ' || c == '\t'; });
    return code;
}

Error wrong_form(const Profile& profile) {
    return Error{"a code has " + std::to_string(profile.digits) + " digits", {}};
}

// With a wrong clock no code opens anything.
std::string doubt_of_clock(const Profile& profile) {
    const ClockFacts facts = read_clock_facts(profile);
    return is_clock_doubtful(facts) ? "\nthis machine's clock is " + clock_words(facts) : "";
}

bool in_background(int tty) {
    const pid_t group = ::tcgetpgrp(tty);
    return group >= 0 && group != ::getpgrp();
}

// As the terminal would stop us, and all of our job.
Result<void> stop_for(int tty) {
    ::kill(0, in_background(tty) ? SIGTTOU : SIGTSTP);
    if (in_background(tty))
        return Error{"a code is needed, and this program is in the background of its terminal", "bring it back: fg"};
    return {};
}

} // namespace

Result<std::string> obtain_code(const Profile& profile, const std::optional<std::string>& given,
                                const Opened& is_stopped) {
    std::string code;
    if (given) {
        code = *given;
    } else if (!profile.otp_command.empty()) {
        auto said = run_for_output(profile.otp_command, kCommandPatience, is_stopped ? is_stopped : pause);
        if (!said)
            return said.error();
        if (!*said)
            return Error{in_quotes(profile.otp_command[0]) + " was stopped before it gave a code", {}};
        code = **said;
    } else {
        code = totp_code({profile.factor_key->bytes, profile.factor_key->size}, totp_step(Now::read().wall),
                         profile.digits);
    }
    code = without_blanks(code);
    return totp_proof(code, profile.digits) ? Result(code) : wrong_form(profile);
}

Codes::Codes(const Profile& profile, const std::optional<std::string>& given)
    : profile_(profile), given_(given), used_(profile), lock_("prompt-" + to_hex(profile.credential)) {}

void Codes::used(const std::string& code) {
    if (needs_code())
        used_.remember(code, Now::read().wall);
}

MaybeCode Codes::next(const Opened& opened) {
    if (!needs_code())
        return std::optional<std::string>("");
    return is_person() ? from_person(opened) : made(opened);
}

Result<std::string> Codes::next_unwatched() {
    auto code = next(pause);
    return code ? Result(code->value_or("")) : code.error();
}

// A code that was sent is worth nothing: the next one comes by itself with the next step.
MaybeCode Codes::made(const Opened& opened) {
    for (int step = 0;; ++step) {
        auto code = obtain_code(profile_, given_);
        if (!code)
            return code.error();
        const Now now = Now::read();
        const auto age = used_.age(*code, now.wall);
        if (!age)
            return std::optional(*code);
        if (given_ || step == kMostSteps)
            return Error{"this code was " + used_words(*age, now.wall), {}};
        for (const auto slot = totp_step(now.wall); totp_step(Now::read().wall - milliseconds(200)) <= slot;)
            if (opened(kLook))
                return std::optional<std::string>();
    }
}

std::optional<Error> Codes::fault_of(const std::string& code) const {
    if (!totp_proof(code, profile_.digits))
        return wrong_form(profile_);
    const WallTime now = Now::read().wall;
    if (const auto age = used_.age(code, now))
        return Error{used_words(*age, now), {}};
    return {};
}

MaybeCode Codes::from_person(const Opened& opened) {
    if (asked_ > 0)
        why_again_ = "that code did not open the port" + doubt_of_clock(profile_);
    for (std::optional<Error> fault; asked_ < kMostQuestions || !fault;) {
        auto answer = ask(opened);
        if (!answer)
            return answer.error();
        if (answer->kind == Answer::opened)
            return std::optional<std::string>();
        ++asked_;
        const std::string code = without_blanks(answer->code);
        fault = fault_of(code);
        if (!fault)
            return std::optional(code);
        if (asked_ == kMostQuestions)
            return *fault;
        why_again_ = fault->message;
    }
    return Error{"no code was given", {}};
}

// Whether the port was opened while another process had the lock.
Result<bool> Codes::wait_for(PromptLock& lock, const Opened& opened) {
    bool waited = false;
    while (lock.take() == Taken::by_another) {
        waited = true;
        if (opened(kLook))
            return true;
    }
    const auto end = BootClock::now() + kAfterAnother;
    while (waited && BootClock::now() < end)
        if (opened(kLook))
            return true;
    return false;
}

Result<Answer> Codes::ask(const Opened& opened) {
    for (;;) {
        if (auto open = wait_for(lock_, opened); !open || *open)
            return open ? Result(Answer{Answer::opened, {}}) : open.error();
        const std::string prompt =
            why_again_ + (why_again_.empty() ? "" : "\n") + "Code for " + printable(profile_.name) + ": ";
        const Fd tty(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (const auto program = askpass_program(static_cast<bool>(tty))) {
            auto said = run_for_output({*program, prompt}, std::nullopt, opened);
            if (!said)
                return said.error();
            return *said ? Answer{Answer::text, **said} : Answer{Answer::opened, {}};
        }
        if (!tty)
            return Error{"a code is needed and there is no terminal to ask on",
                         "use otp_command in ~/.config/xknock/config.yaml, otp_secret, or SSH_ASKPASS with "
                         "SSH_ASKPASS_REQUIRE=force"};
        PromptLock terminal(terminal_lock_name(tty.get()).value_or("terminal"));
        if (auto open = wait_for(terminal, opened); !open || *open)
            return open ? Result(Answer{Answer::opened, {}}) : open.error();
        auto answer =
            in_background(tty.get()) ? Result(Answer{Answer::stopped, {}}) : ask_on_terminal(tty.get(), prompt, opened);
        if (!answer || answer->kind != Answer::stopped)
            return answer;
        // Nobody waits for one that is stopped.
        terminal.release();
        lock_.release();
        if (auto done = stop_for(tty.get()); !done)
            return done.error();
    }
}

} // namespace xk::client
