// SPDX-License-Identifier: MIT
#include "client/code.h"

#include "client/clock_check.h"
#include "client/own_counter.h"
#include "client/program.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace xk::client {
namespace {

using std::chrono::milliseconds;
using MaybeCode = Result<std::optional<std::string>>;

constexpr std::chrono::seconds kCommandPatience{30};
constexpr milliseconds kLook{50};
// Another request of this user may have opened the port too: a try every second shows that.
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
    return Error{"a code has " + std::to_string(profile.digits) + " digits" +
                     (profile.factor == FactorKind::hotp ? "; two codes in a row may be typed together" : ""),
                 {}};
}

// With a wrong clock no code opens anything. A counter that is far ahead of the server's is found by two codes only.
std::string doubt(const Profile& profile) {
    if (profile.factor == FactorKind::hotp)
        return "\nif it was right, type the next two codes in a row";
    const ClockFacts facts = read_clock_facts(profile);
    return is_clock_doubtful(facts) && !profile.by_handshake() ? "\nthis machine's clock is " + clock_words(facts) : "";
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
                                const Opened& is_stopped, std::chrono::microseconds ahead) {
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
    } else if (profile.factor == FactorKind::hotp) {
        auto codes = own_hotp_codes(profile);
        if (!codes)
            return codes.error();
        code = *codes;
    } else {
        code = totp_code({profile.factor_key->bytes, profile.factor_key->size}, totp_step(Now::read().wall + ahead),
                         profile.digits);
    }
    code = without_blanks(code);
    return profile.proof_of(code) ? Result(code) : wrong_form(profile);
}

Codes::Codes(const Profile& profile, const std::optional<std::string>& given, PromptWish wish)
    : profile_(profile), given_(given), used_(profile), wish_(std::move(wish)),
      lock_("prompt-" + to_hex(profile.credential)) {}

void Codes::used(const std::string& code) {
    if (!needs_code())
        return;
    used_.remember(code, Now::read().wall);
    was_sent_ = true;
    leave(PromptNote::sent);
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

// A code that was sent is worth nothing: the next one of TOTP comes by itself with the next step.
MaybeCode Codes::made(const Opened& opened) {
    for (int step = 0;; ++step) {
        auto code = obtain_code(profile_, given_, {}, ahead_);
        if (!code)
            return code.error();
        const Now now = Now::read();
        const auto age = used_.age(*code, now.wall);
        if (!age)
            return std::optional(*code);
        if (given_ || step == kMostSteps || profile_.factor == FactorKind::hotp)
            return Error{"this code was " + used_words(*age, profile_.factor, now.wall + ahead_), {}};
        const auto step_now = [this] { return totp_step(Now::read().wall + ahead_ - milliseconds(200)); };
        for (const auto used = totp_step(now.wall + ahead_); step_now() <= used;)
            if (opened(kLook))
                return std::optional<std::string>();
    }
}

std::optional<Error> Codes::fault_of(const std::string& code) const {
    if (!profile_.proof_of(code))
        return wrong_form(profile_);
    const WallTime now = Now::read().wall;
    if (const auto age = used_.age(code, now))
        return Error{used_words(*age, profile_.factor, now + ahead_), {}};
    return {};
}

MaybeCode Codes::from_person(const Opened& opened) {
    if (std::exchange(was_sent_, false)) {
        why_again_ = "that code did not open the port" + doubt(profile_);
        leave(PromptNote::wrong);
    }
    for (;;) {
        auto answer = ask(opened);
        if (!answer)
            return answer.error();
        if (answer->kind == Answer::opened)
            return std::optional<std::string>();
        ++asked_;
        const std::string code = without_blanks(answer->code);
        const auto fault = fault_of(code);
        if (!fault)
            return std::optional(code);
        leave(PromptNote::wrong);
        if (asked_ >= kMostQuestions)
            return *fault;
        why_again_ = fault->message;
    }
}

void Codes::leave(PromptNote::What what) {
    if (!lock_.is_ours())
        return;
    const unsigned wrong = what == PromptNote::opened ? 0 : what == PromptNote::sent ? asked_ - 1 : asked_;
    lock_.write(text_of({what, BootClock::now(), wrong, wish_.lifetime, wish_.request}));
}

void Codes::ended(bool stands) {
    if (stands || asked_ >= kMostQuestions)
        leave(stands ? PromptNote::opened : PromptNote::wrong);
}

// What came of a question that was asked while we were there, once.
std::optional<PromptNote> Codes::news() {
    const auto note = parse_prompt_note(lock_.text());
    const BootTime now = BootClock::now();
    if (!note || note->at < begun_ || note->at > now || note->at <= seen_)
        return {};
    seen_ = note->at;
    return note;
}

// Nobody has one of them while he waits for the other: he may be stopped, and others could ask.
bool Codes::take_both(std::optional<PromptLock>& terminal) {
    if (lock_.take() == Taken::by_another)
        return false;
    if (!terminal || terminal->take() != Taken::by_another)
        return true;
    lock_.release();
    return false;
}

// True where the port opened meanwhile, or another process's answer has opened it for us too.
Result<bool> Codes::wait_for_turn(std::optional<PromptLock>& terminal, const Opened& opened) {
    const pid_t parent = ::getppid();
    const auto give_back = [&] {
        lock_.release();
        if (terminal)
            terminal->release();
    };
    auto watched_until = BootTime::min();
    for (;;) {
        if (BootClock::now() >= watched_until && take_both(terminal)) {
            const auto note = news();
            if (!note)
                return false;
            asked_ = std::max(asked_, note->wrong_codes);
            if (asked_ >= kMostQuestions)
                return Error{"no code opened the port: another login of yours asked three times", "try again"};
            if (note->serves(wish_, BootClock::now())) {
                give_back();
                return true;
            }
            if (note->what == PromptNote::wrong || !wish_.watches)
                return false;
            give_back();
            watched_until = BootClock::now() + kAfterAnother;
        }
        if (::getppid() != parent)
            return Error{"the program that wanted the connection is gone", {}};
        if (opened(kLook))
            return true;
    }
}

Result<Answer> Codes::ask(const Opened& opened) {
    for (;;) {
        const Fd tty(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
        const auto program = askpass_program(static_cast<bool>(tty));
        if (!program && !tty) // nor is another's question waited for, which may stand there for ever
            return Error{"a code is needed and there is no terminal to ask on",
                         "use otp_command in ~/.config/xknock/config.yaml, otp_secret, or SSH_ASKPASS with "
                         "SSH_ASKPASS_REQUIRE=force"};
        std::optional<PromptLock> terminal;
        if (!program)
            terminal.emplace(terminal_lock_name(tty.get()).value_or("terminal"));
        if (auto open = wait_for_turn(terminal, opened); !open || *open)
            return open ? Result(Answer{Answer::opened, {}}) : open.error();
        const std::string prompt =
            why_again_ + (why_again_.empty() ? "" : "\n") + "Code for " + printable(profile_.name) + ": ";
        if (program) {
            auto said = run_for_output({*program, prompt}, std::nullopt, opened);
            if (!said)
                return said.error();
            return *said ? Answer{Answer::text, **said} : Answer{Answer::opened, {}};
        }
        auto answer =
            in_background(tty.get()) ? Result(Answer{Answer::stopped, {}}) : ask_on_terminal(tty.get(), prompt, opened);
        if (!answer || answer->kind != Answer::stopped)
            return answer;
        // Nobody waits for one that is stopped.
        terminal->release();
        lock_.release();
        if (auto done = stop_for(tty.get()); !done)
            return done.error();
        begun_ = BootClock::now();
    }
}

} // namespace xk::client
