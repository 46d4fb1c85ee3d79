// SPDX-License-Identifier: MIT
//
// What became of the last question, for the processes that wait behind it. Who has the prompt lock writes it into the
// lock's file; who takes the lock next reads it. It has no code and no key, and names the request by a keyed hash.
#pragma once

#include "client/knock.h"
#include "client/profile.h"
#include "protocol/base/clock.h"

#include <cstdint>
#include <optional>
#include <string>

namespace xk::client {

// What a login wants of its grant.
struct PromptWish {
    std::string request;        // a hash; empty: no other login's grant serves it
    std::uint32_t lifetime = 0; // seconds; 0: the server's default
    bool watches = false;       // a port that answers is all that it wants
};

PromptWish wish_of(const Profile& profile, const RequestSpec& spec, const std::string& host, std::uint16_t port);

struct PromptNote {
    enum What { wrong, sent, opened } what = wrong;
    BootTime at; // when it was written
    unsigned wrong_codes = 0;
    std::uint32_t lifetime = 0;
    std::string request; // of `sent` and `opened`

    // Whether a login that began before may take this grant for its own: it opened, for the same request, for as long a
    // time, and is not over yet.
    bool serves(const PromptWish& wish, BootTime now) const;
};

std::string text_of(const PromptNote& note);
// Nothing from what this release did not write, or not wholly.
std::optional<PromptNote> parse_prompt_note(const std::string& text);

} // namespace xk::client
