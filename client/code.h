// SPDX-License-Identifier: MIT
//
// The codes of one connection: from the command line, a program, a stored secret, or a person. Processes of one user
// with one profile ask one question among them. What was sent is remembered, and is not sent again.
#pragma once

#include "client/code_source.h"
#include "client/profile.h"
#include "client/prompt_lock.h"
#include "client/prompt_note.h"
#include "client/question.h"
#include "client/used_codes.h"

#include <optional>
#include <string>

namespace xk::client {

// Digits as the profile wants them (of HOTP two codes too), without a person: `given` (--otp) wins; then otp_command,
// then otp_secret. Blanks that authenticators show are taken out. The program is killed once `is_stopped`, which waits
// at most so long, says so. A stored secret of TOTP gives the code of our clock and `ahead`.
Result<std::string> obtain_code(const Profile& profile, const std::optional<std::string>& given,
                                const Opened& is_stopped = {}, std::chrono::microseconds ahead = {});

class Codes final : public CodeSource {
  public:
    // `wish`: what others' grants must be to serve this one.
    Codes(const Profile& profile, const std::optional<std::string>& given, PromptWish wish = {});
    Result<std::optional<std::string>> next(const Opened& opened) override;
    void used(const std::string& code) override;
    void server_is_ahead(std::chrono::microseconds ahead) override { ahead_ = ahead; }
    bool is_person() const override { return needs_code() && !given_ && !profile_.is_automatic(); }
    bool may_ask_again() const override { return is_person() && asked_ < kMostQuestions; }
    // How it ended, for those who wait: whether a connection stands.
    void ended(bool stands);
    // For a request whose port is not tried.
    Result<std::string> next_unwatched();

  private:
    static constexpr unsigned kMostQuestions = 3;
    bool needs_code() const { return has_codes(profile_.factor); }
    Result<std::optional<std::string>> made(const Opened& opened);
    Result<std::optional<std::string>> from_person(const Opened& opened);
    Result<Answer> ask(const Opened& opened);
    Result<bool> wait_for_turn(std::optional<PromptLock>& terminal, const Opened& opened);
    bool take_both(std::optional<PromptLock>& terminal);
    std::optional<PromptNote> news();
    void leave(PromptNote::What what);
    std::optional<Error> fault_of(const std::string& code) const;

    const Profile& profile_;
    std::optional<std::string> given_;
    UsedCodes used_;
    PromptWish wish_;
    PromptLock lock_;
    BootTime begun_ = BootClock::now(); // what was noted before is of an earlier try
    BootTime seen_;                     // the note that was followed last
    unsigned asked_ = 0;                // of us and of those that we waited for
    bool was_sent_ = false;             // the last code
    std::chrono::microseconds ahead_{0};
    std::string why_again_; // the line above the next question
};

} // namespace xk::client
