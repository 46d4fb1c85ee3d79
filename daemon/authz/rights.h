// SPDX-License-Identifier: MIT
//
// "May this credential hold this grant?": one function, asked by the worker of a knock, by the privileged process of
// the request that comes of it, and by the re-check of every grant that stands. The answer is the first rule of the
// table in rules.cpp that says no. A new rule is a row there, and all who ask refuse by it.
//
// A rule looks at what the asker knows and passes over what the asker does not: only the worker knows where a knock
// came from, only the privileged process knows every address of this host.
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/pinhole.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"
#include "protocol/base/clock.h"

#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace xk::authz {

// What a rule is about. Bits, because each who asks asks some of them.
enum Aspect : unsigned {
    kOfStanding = 1, // the credential counts at all
    kOfTime = 2,     // dates and hours: what can end a grant while nobody changes the configuration
    kOfPlace = 4,    // networks and bans
    kOfAddress = 8,  // whom the grant is for
    kOfService = 16, // what it opens
};
// Before the second factor. Whoever stole a key and knocks from a banned or foreign address, or at a wrong time, must
// be refused before the code is looked at: their wrong codes would lock the user out.
inline constexpr unsigned kBeforeFactor = kOfStanding | kOfTime | kOfPlace;
inline constexpr unsigned kAfterFactor = kOfAddress | kOfService;
inline constexpr unsigned kAllAspects = kBeforeFactor | kAfterFactor;
// Closing hurts nobody: it needs the right to the service and nothing else.
inline constexpr unsigned kToClose = kOfAddress | kOfService;

// What is known of a grant that is asked for, or that stands.
struct GrantContext {
    const Policy& policy;
    const Credential& credential;
    Now when{};                             // the knock's arrival, or the present
    std::optional<Address> address{};       // whom the grant is for
    std::optional<Wish> wish{};             // what it opens; none: nothing in particular
    bool single_use = false;                // it is to end with its first connection
    bool stands = false;                    // the pinhole of `wish` is there: only that very one will do
    std::optional<Address> source{};        // of the knock
    std::optional<AddressMode> mode{};      // of the knock
    std::optional<Address> destination{};   // of the knock: an address of this host
    const std::set<Address>* own = nullptr; // every address of this host
    const BanList* bans = nullptr;
};

struct Verdict {
    std::optional<Reject> reason; // the first rule that says no; none: it may
    std::vector<Target>
        targets; // the services and pinholes that `wish` means, where the rules of kOfService were asked

    bool is_allowed() const { return !reason; }
};

struct Rule {
    std::string_view name;
    Aspect aspect;
    // Says why not, or nothing. It may leave in the verdict what it found.
    std::optional<Reject> (*refuses)(const GrantContext& context, Verdict& verdict);
    // Of kOfTime: whether it can say no to this credential at any time. None: it can.
    bool (*binds)(const Credential& credential) = nullptr;
};

// In the order in which they are asked; the reasons of docs/protocol.md, "The judgement", steps 5 and 7.
std::span<const Rule> rules();

// Pure: the same context gives the same verdict. `aspects` are bits of Aspect.
Verdict may_hold(const GrantContext& context, unsigned aspects);

// May whoever has this id go on holding this pinhole? Of the operator (kOperator): there is such a service. Somebody
// who is not in the policy any more is disabled.
Verdict may_keep(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole, const Now& when);
// Likewise at any time and place: what its service and the credential's standing say.
bool is_entitled(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole);

// Whether time alone can end what it holds, and whether it has.
bool is_bound_in_time(const Credential& credential);
std::optional<Reject> lapsed(const Policy& policy, const Credential& credential, const Now& when);

// As much of this lifetime as is left of the credential's own; at least a moment.
std::chrono::seconds until_its_end(std::chrono::seconds lifetime, const Credential& credential, WallTime now);

} // namespace xk::authz
