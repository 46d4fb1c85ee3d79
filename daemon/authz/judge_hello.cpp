// SPDX-License-Identifier: MIT
// Hellos of handshakes. A hello asks for nothing yet, so only the steps count that do not depend on a request.
#include "daemon/authz/judge_context.h"

namespace xk::authz {

std::variant<HelloAnswer, Outcome> Judge::judge_hello(const Record& record, const Now& now) {
    Context c{record, now, now.wall_at(record.arrived)};
    HelloAnswer answer{};
    const Wiped wiped(answer);
    const auto refused =
        begin_attempt(record) > kMaxAttempts ? std::optional(Refused{Reject::crashed}) : answer_hello(c, answer);
    state_.end_attempt();
    if (!refused)
        return answer;
    Outcome outcome;
    outcome.source = record.source;
    outcome.credential = c.index;
    outcome.result = *refused;
    count(*refused);
    return outcome;
}

std::optional<Refused> Judge::answer_hello(Context& c, HelloAnswer& answer) {
    const Record& record = c.record;
    if (c.now.boot - record.arrived > kSessionLife)
        return Refused{Reject::late};
    Secret<noise::Handshake> state;
    if (const auto reason = handshakes_.read(record, *state))
        return Refused{*reason};
    c.index = record.credential;
    c.address = record.source;
    HelloState* const numbers = state_.hellos(policy_.credentials[*c.index].id, policy_);
    if (numbers == nullptr)
        return Refused{Reject::memory_full};
    if (record.slot <= numbers->last || record.slot - numbers->last > kHelloWindow)
        return Refused{Reject::replay};
    numbers->last = record.slot;
    if (const auto refused = check_status(c))
        return refused;
    if (!clock_is_credible_ && depends_on_clock(policy_.credentials[*c.index]))
        return Refused{Reject::server_clock};
    const auto reason = handshakes_.answer(record, *state, c.now, answer);
    return reason ? std::optional(Refused{*reason}) : std::nullopt;
}

std::optional<handshake::Number> Judge::next_hello(std::uint32_t place) {
    const Credential& credential = policy_.credentials[place];
    if (is_empty_place(credential) || !credential.has_mode(KnockMode::handshake))
        return std::nullopt;
    const HelloState* const numbers = state_.hellos(credential.id, policy_);
    return numbers == nullptr ? std::nullopt : std::optional(numbers->last + 1);
}

} // namespace xk::authz
