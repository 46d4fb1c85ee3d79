// SPDX-License-Identifier: MIT
//
// may_hold(): "may this credential hold this grant?" The worker calls it for a knock, the privileged process for the
// request that follows, and the re-check at a reload for every open grant. The verdict is the first rule of the table
// in rules.cpp that refuses. A new rule is one row there, and all three callers refuse by it.
//
// A rule ignores what its caller does not know. Only the worker knows the source of a knock, and only the privileged
// process knows all addresses of this host.
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

// The subject of a rule. Bits, because each caller checks some of them.
enum Aspect : unsigned {
    kOfStatus = 1,   // whether the credential is enabled, and for this way of knocking
    kOfTime = 2,     // dates and hours, which can end a grant without a reload
    kOfPlace = 4,    // networks and bans
    kOfAddress = 8,  // the address that the grant is for
    kOfService = 16, // the service that it opens
};
// Checked before the second factor. Somebody with a stolen key who knocks from a banned or foreign address, or at a
// wrong time, must be refused before the code is checked: their wrong codes would lock the user out.
inline constexpr unsigned kBeforeFactor = kOfStatus | kOfTime | kOfPlace;
inline constexpr unsigned kAfterFactor = kOfAddress | kOfService;
inline constexpr unsigned kAllAspects = kBeforeFactor | kAfterFactor;
// To close, only the right to the service is needed.
inline constexpr unsigned kToClose = kOfAddress | kOfService;

// The known facts about a grant that is requested or open.
struct GrantContext {
    const Policy& policy;
    const Credential& credential;
    Now when{};                             // the knock's arrival, or now
    std::optional<Address> address{};       // that the grant is for
    std::optional<Selector> selector{};     // of what it opens; none: no service is meant
    bool single_use = false;                // it is to end with its first connection
    bool is_open = false;                   // `selector` is an open pinhole: exactly this one must be allowed
    std::optional<Address> source{};        // of the knock
    std::optional<AddressMode> mode{};      // of the knock
    std::optional<KnockMode> way{};         // of knocking
    std::optional<Address> destination{};   // of the knock: an address of this host
    const std::set<Address>* own = nullptr; // every address of this host
    const BanList* bans = nullptr;
};

struct Verdict {
    std::optional<Reject> reason; // of the first rule that refuses; none: it may
    std::vector<Target>
        targets; // the services and pinholes that `selector` means, where the rules of kOfService were checked

    bool is_allowed() const { return !reason; }
};

struct Rule {
    std::string_view name;
    Aspect aspect;
    // The reason to refuse, or nothing. It may add what it found to the verdict.
    std::optional<Reject> (*refuses)(const GrantContext& context, Verdict& verdict);
    // Only for kOfTime: whether the rule can ever refuse this credential. Null: it can.
    bool (*binds)(const Credential& credential) = nullptr;
};

// The rules in the order in which they are checked. The reasons are those of docs/protocol.md, "The judgement", steps 5
// and 7.
std::span<const Rule> rules();

// Pure: the same context gives the same verdict. `aspects` are bits of Aspect.
Verdict may_hold(const GrantContext& context, unsigned aspects);

// Whether the holder with this id may keep this pinhole. The operator (kOperator) may as long as there is such a
// service. A credential that is not in the policy any more counts as disabled.
Verdict may_keep(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole, const Now& when);
// The same by service and status alone, whatever the time and the place.
bool is_entitled(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole);

// Whether time alone can end the grants of this credential, and whether it has.
bool is_bound_in_time(const Credential& credential);
std::optional<Reject> lapsed(const Policy& policy, const Credential& credential, const Now& when);

// The lifetime, cut at the end of the credential's dates; at least one second.
std::chrono::seconds until_its_end(std::chrono::seconds lifetime, const Credential& credential, WallTime now);

} // namespace xk::authz
