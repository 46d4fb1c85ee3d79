// SPDX-License-Identifier: MIT
//
// The judge: one candidate in, one outcome out. The steps are those of docs/protocol.md, "The judgement", in
// their order, and each only goes forward. It has state (authz::State) but no clock and no I/O of its own; what it
// decides it does through the Firewall that it is handed.
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/firewall.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"
#include "daemon/authz/state.h"
#include "daemon/authz/tags.h"
#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/secret.h"

#include <chrono>
#include <optional>
#include <variant>

namespace xk::authz {

// A record off the ring, in types of our own.
struct Candidate {
    Address source;
    Address destination;
    std::uint16_t source_port = 0;
    BootTime arrived{};
    wire::Packet packet{};
};

// A record may wait this long for a judge (the daemon was restarted); then its knock is forgotten.
inline constexpr std::chrono::seconds kLongestWait{60};

// A record whose judging ended the worker this often is thrown away.
inline constexpr std::uint32_t kMaxAttempts = 3;

// The second factor's secret of one credential: a TOTP secret of `size` bytes, or an HMAC key of 32.
struct FactorSecret {
    std::uint32_t size;
    std::uint8_t bytes[kMaxTotpSecret];
};

struct Accepted {
    Action action = Action::probe;
    bool retry = false; // the same request again: nothing was done
    Address address;
    std::string what; // the services' names; empty for probe and close-all
    // Of one that is not done yet (Answer::waiting): for State::end_asked() when it is.
    std::optional<std::uint32_t> waiting;
};

struct Refused {
    Reject reason = Reject::count_;
    std::chrono::seconds locked_for{0}; // wrong_code and locked: how long
    bool locked_for_good = false;
};

struct Outcome {
    std::variant<Refused, Accepted> result;
    std::optional<std::uint32_t> credential; // index; known once the MAC was right
    Address source;

    const Refused* refused() const { return std::get_if<Refused>(&result); }
    const Accepted* accepted() const { return std::get_if<Accepted>(&result); }
};

class Judge {
  public:
    // One judge for one configuration; keys and factors by credential index. Makes the credentials' records in
    // the state; a credential without one (65,536 are known, and no record can be given back) is never let in.
    Judge(Policy policy, Secret<CredentialKeys> keys, Secret<FactorSecret> factors, State& state, const BanList& bans,
          const Now& now);

    // To be called when a slot begins and when the clock was set: tags of the slots that matter.
    void follow_clock(const Now& now);

    Outcome judge(const Candidate& candidate, const Now& now, Firewall& firewall);

    // Asks once more for a pinhole that State::asked() has and that a process before us did not see open. Where it
    // neither opens nor waits again, it is forgotten, and the request may come again.
    Answer ask_again(std::uint32_t asked, const Now& now, Firewall& firewall);

    // The operator forgives a credential's wrong codes.
    void unlock(std::uint32_t credential);

    // The operator's panic: while it lasts nobody is let in.
    void set_panic(bool on) { in_panic_ = on; }

    const Policy& policy() const { return policy_; }
    const Secret<CredentialKeys>& keys() const { return keys_; }

  private:
    struct Context;
    using Result = std::variant<Refused, Accepted>;

    std::optional<Refused> authenticate(Context& c) const; // steps 1 to 3
    std::optional<Result> check_new(Context& c);           // step 4
    std::optional<Refused> check_status(Context& c) const; // step 5
    std::optional<Refused> check_factor(Context& c);       // step 6
    std::optional<Refused> check_rights(Context& c) const; // step 7
    Result carry_out(Context& c, Firewall& firewall);      // steps 8 and 9
    Result run(Context& c, Firewall& firewall);

    Policy policy_;
    Secret<CredentialKeys> keys_;
    Secret<FactorSecret> factors_;
    State& state_;
    const BanList& bans_;
    bool in_panic_ = false;
    TagTable tags_;
    std::vector<CredentialState*> records_; // by credential index
};

} // namespace xk::authz
