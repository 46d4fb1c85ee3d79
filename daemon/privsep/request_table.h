// SPDX-License-Identifier: MIT
//
// The request table lists every message between xknockd and xknock-worker: who may send it, in which phase, with which
// size and number of descriptors, how often, and whether it must be an answer. Both processes check a message against
// the table before its handler runs (Conversation::admit). Each process binds its handlers to the table (Handler), and
// a type without a handler does not compile. A message that the table forbids ends the worker: xknockd takes the worker
// for hostile, and the worker takes xknockd for broken.
#pragma once

#include "daemon/privsep/budget.h"
#include "daemon/privsep/messages.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace xk::privsep {

enum class Side : std::uint8_t { worker, xknockd };

enum class Phase : std::uint8_t {
    set_up = 1,    // the worker still has its rights
    hand_over = 2, // the worker is in its sandbox, and no configuration counts yet
    judging = 4,   // a configuration counts; another one may be handed over
};
inline constexpr std::uint8_t kServing =
    static_cast<std::uint8_t>(Phase::hand_over) | static_cast<std::uint8_t>(Phase::judging);

// The messages of the worker that share one budget. An honest worker never reaches a budget's limit. It sends one
// request for each knock, and to judge a knock takes more than ten microseconds. It sends a notice when a credential is
// locked for good, or about the clock. It sends at most 24 outcomes before it sees that we read, and 50 in a second
// (daemon/worker/outcome_reports.h). It has 1,024 sessions of handshakes at most in 15 seconds. Nearly all other
// messages are tags and steps: it sends all of them (1,200 messages at most) for a new configuration, or when the clock
// was set.
enum class Allowance : std::uint8_t { none, requests, notices, outcomes, answers, others };

struct Rule {
    Type type;
    std::string_view name;
    Side to;
    std::uint8_t phases; // bits of Phase
    std::uint16_t size;  // bytes, exactly
    std::uint16_t least_fds, most_fds;
    Type answers; // it comes exactly once for each message of this type; Type{}: it is no answer
    Allowance allowance;
    bool at_once; // it depends on no earlier message, so it is handled at once while others wait
};

namespace table {

constexpr std::uint8_t kSetUp = static_cast<std::uint8_t>(Phase::set_up);
constexpr std::uint8_t kJudging = static_cast<std::uint8_t>(Phase::judging);

template <typename M>
constexpr Rule rule(std::string_view name, Side to, std::uint8_t phases, std::uint16_t least_fds,
                    std::uint16_t most_fds, Type answers, Allowance allowance, bool at_once) {
    static_assert(sizeof(M) <= kMaxMessage);
    return {M::kType, name, to, phases, sizeof(M), least_fds, most_fds, answers, allowance, at_once};
}
template <typename M>
constexpr Rule to_worker(std::string_view name, std::uint8_t phases, std::uint16_t fds = 0) {
    return rule<M>(name, Side::worker, phases, fds, fds, Type{}, Allowance::none, false);
}
template <typename M>
constexpr Rule at_once(std::string_view name, std::uint8_t phases) {
    return rule<M>(name, Side::worker, phases, 0, 0, Type{}, Allowance::none, true);
}
template <typename M>
constexpr Rule to_xknockd(std::string_view name, std::uint8_t phases, Allowance allowance, Type answers = Type{}) {
    return rule<M>(name, Side::xknockd, phases, 0, 0, answers, allowance, false);
}

} // namespace table

inline constexpr std::array kRequestTable = {
    table::rule<Setup>("set-up", Side::worker, table::kSetUp, 2, 4, Type{}, Allowance::none, false),
    table::to_worker<NewPolicy>("policy", kServing, 1),
    table::rule<Secrets>("secrets", Side::worker, kServing, 0, kMaxFds, Type{}, Allowance::none, false),
    table::to_worker<Activate>("activation", kServing),
    table::at_once<Ban>("ban", kServing),
    table::at_once<Unban>("unban", kServing),
    table::rule<ReplyGrant>("reply", Side::worker, table::kJudging, 0, 0, Type::request_grant, Allowance::none, false),
    table::at_once<GrantCommitted>("commitment", table::kJudging),
    table::to_worker<Unlock>("unlocking", table::kJudging),
    table::to_worker<AcceptClock>("clock", kServing),
    table::at_once<Panic>("panic", kServing),
    table::to_worker<RaiseHorizon>("horizon", kServing),
    table::to_worker<Ping>("ping", kServing),

    table::to_xknockd<Ready>("readiness", table::kSetUp, Allowance::others, Type::setup),
    // It also answers Secrets: answer_to().
    table::to_xknockd<SecretsRead>("report", kServing, Allowance::others, Type::new_policy),
    table::to_xknockd<HorizonRaised>("horizon", kServing, Allowance::others, Type::raise_horizon),
    table::to_xknockd<Pong>("pong", kServing, Allowance::others, Type::ping),
    table::to_xknockd<Tags>("tags", table::kJudging, Allowance::others),
    table::to_xknockd<Steps>("steps", table::kJudging, Allowance::others),
    table::to_xknockd<Hellos>("hellos", table::kJudging, Allowance::others),
    table::to_xknockd<AnswerHello>("answer", table::kJudging, Allowance::answers),
    table::to_xknockd<RequestGrant>("request", table::kJudging, Allowance::requests),
    table::to_xknockd<Notice>("notice", table::kJudging, Allowance::notices),
    table::to_xknockd<Outcome>("outcome", table::kJudging, Allowance::outcomes),
    table::to_xknockd<Suppressed>("suppressed outcomes", table::kJudging, Allowance::outcomes),
};

constexpr const Rule* rule_of(Type type) {
    for (const Rule& rule : kRequestTable)
        if (rule.type == type)
            return &rule;
    return nullptr;
}

// Why a message is refused.
enum class Fault : std::uint8_t { unknown, direction, phase, size, descriptors, unasked, too_many };
std::string_view name_of(Fault fault);
// "tags in the wrong phase"
std::string text_of(Fault fault, Type type);

// One side's view of the exchange: the phase, the answers that the other side owes, and its budgets.
class Conversation {
  public:
    explicit Conversation(Side us, Phase phase = Phase::set_up) : us_(us), phase_(phase) {}

    Phase phase() const { return phase_; }
    void enter_phase(Phase phase) { phase_ = phase; }

    // Call it for each message that we send. If the message wants an answer, the other side owes one from then on.
    void on_sent(Type type);
    // Nothing: the handler may run. An answer that was owed is settled by this.
    std::optional<Fault> admit(const Received& received, BootTime now);

  private:
    Budget* budget_of(Allowance allowance);

    Side us_;
    Phase phase_;
    std::map<Type, std::uint64_t> owed_; // answers, by their type
    Budget requests_{200'000, 100'000};
    Budget notices_{authz::kMaxCredentials, 1};
    Budget outcomes_{1'000, 200};
    Budget answers_{2'000, 100};
    Budget others_{16'000, 1'000};
};

// One row of a process's own half of the table.
template <typename Owner>
struct Handler {
    Type type;
    Result<void> (Owner::*handle)(Received&);
};

// Whether `handlers` has each message that `side` receives in one of `phases`, and no other.
template <typename Owner, std::size_t N>
constexpr bool handles_all(Side side, std::uint8_t phases, const Handler<Owner> (&handlers)[N]) {
    std::size_t wanted = 0, handled = 0; // with sanitizers g++ 12 compares no pointers in a constant expression
    for (const Rule& rule : kRequestTable) {
        if (rule.to != side || (rule.phases & phases) == 0)
            continue;
        ++wanted;
        for (const auto& handler : handlers)
            handled += handler.type == rule.type ? 1 : 0;
    }
    return wanted == N && handled == N;
}

} // namespace xk::privsep
