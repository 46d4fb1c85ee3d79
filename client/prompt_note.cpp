// SPDX-License-Identifier: MIT
#include "client/prompt_note.h"

#include "protocol/encoding.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace xk::client {
namespace {

using std::chrono::seconds;

constexpr const char* kForm = "xknock-prompt-1";
constexpr std::array<const char*, 3> kWords{"wrong", "sent", "opened"};
// So long a grant lasts where nobody says another time.
constexpr seconds kUsualGrant{30};

} // namespace

PromptWish wish_of(const Profile& profile, const RequestSpec& spec, const std::string& host, std::uint16_t port) {
    const std::uint32_t lifetime = spec.lifetime != 0 ? spec.lifetime : profile.lifetime;
    const bool watches = profile.probe.count() > 0;
    if (spec.single_use || spec.for_address)
        return {{}, lifetime, watches};
    std::ostringstream text;
    text << "xknock prompt\n"
         << host << '\n'
         << port << '\n'
         << spec.service << '\n'
         << spec.endpoint.text() << '\n'
         << spec.target.text() << '\n'
         << (spec.source ? spec.source->text() : "") << '\n'
         << static_cast<int>(profile.family) << '\n'
         << profile.server << '\n'
         << profile.port << '\n'
         << watches << '\n';
    Bytes<16> hash;
    crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const std::uint8_t*>(text.str().data()),
                       text.str().size(), profile.keys->nonce.data(), profile.keys->nonce.size());
    return {to_hex(hash), lifetime, watches};
}

bool PromptNote::serves(const PromptWish& wish, BootTime now) const {
    const bool as_long = wish.lifetime == lifetime || (wish.lifetime != 0 && wish.lifetime < lifetime);
    const auto counts = wish.lifetime == 0 ? kUsualGrant : std::min(kUsualGrant, seconds(wish.lifetime));
    return what == opened && !wish.request.empty() && wish.request == request && as_long && now - at < counts;
}

std::string text_of(const PromptNote& note) {
    std::ostringstream text;
    text << kForm << ' ' << kWords[note.what] << ' ' << note.at.time_since_epoch().count() << ' ' << note.wrong_codes
         << ' ' << note.lifetime << ' ' << (note.request.empty() ? "-" : note.request) << '\n';
    return text.str();
}

std::optional<PromptNote> parse_prompt_note(const std::string& text) {
    std::istringstream words(text);
    std::string form, what;
    std::int64_t at = 0;
    PromptNote note;
    if (!(words >> form >> what >> at >> note.wrong_codes >> note.lifetime >> note.request) || form != kForm)
        return {};
    const auto word = std::find(kWords.begin(), kWords.end(), what);
    if (word == kWords.end())
        return {};
    note.what = static_cast<PromptNote::What>(word - kWords.begin());
    note.at = BootTime(std::chrono::nanoseconds(at));
    if (note.request == "-")
        note.request.clear();
    return text_of(note) == text ? std::optional(note) : std::nullopt;
}

} // namespace xk::client
