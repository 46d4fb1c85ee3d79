// SPDX-License-Identifier: MIT
//
// Who may enter, as judgement needs it: the configuration without files, secrets and network interfaces.
// The tables are trivially copyable, so that the privileged process hands them to the worker as they are;
// both judge by the same ones.
#pragma once

#include "daemon/authz/pinhole.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/quote.h"
#include "protocol/request.h"
#include "protocol/service.h"
#include "protocol/wire.h"

#include <algorithm>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace xk::authz {

// A name that is_name() accepts, in place.
struct Name {
    char text[kMaxName + 1] = {};

    Name() = default;
    explicit Name(std::string_view from) { std::copy_n(from.begin(), std::min(from.size(), kMaxName), text); }
    std::string_view view() const { return {text, ::strnlen(text, kMaxName)}; }
    bool operator==(const Name&) const = default;
};

inline constexpr std::size_t kMaxServices = 256;
inline constexpr std::size_t kMaxPorts = 16;          // and ranges of ports, of one service
inline constexpr std::size_t kMaxNetworks = 8;        // of one user, of each kind
inline constexpr std::size_t kMaxHours = 16;          // of one user
inline constexpr std::size_t kMaxCredentials = 10000; // XK_MAX_CREDENTIALS

// What becomes of sessions when their grant ends.
enum class After : std::uint8_t {
    keep, // they live on
    cut,  // they end with it
    idle, // they keep it: it ends a while after the last of them
};

struct Service {
    Name name;
    ServiceId id = 0;
    std::uint32_t port_count = 0;
    PortRange ports[kMaxPorts] = {};
    // A host behind this one that the ports are of, by the family of who comes; unspecified: none. Then ports are
    // single.
    Address target4, target6;
    // What of this host's own is translated to the target's one port; none: who comes addresses the target itself.
    Endpoint published;
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: says nothing about it
    After after = After::keep;
    std::chrono::seconds idle{0};      // After::idle: the while
    std::uint32_t max_connections = 0; // from one address at a time; 0: any number
    bool single = false;               // a grant ends with the first connection that it lets in

    bool is_behind() const { return target4 != Address{} || target6 != Address{}; }
    const Address& target_for(const Address& source) const { return source.is_v4() ? target4 : target6; }
    bool has_ranges() const {
        return std::any_of(ports, ports + port_count, [](const PortRange& p) { return !p.is_single(); });
    }
    // Grants of ranges have no way to end with a connection; and where sessions end with their grant, the one that ends
    // the grant would end itself.
    bool can_be_single() const { return !has_ranges() && after != After::cut; }
    std::span<const PortRange> all_ports() const { return {ports, port_count}; }
    // The pinholes of the whole service for this source; none where no target is of its family.
    std::vector<Pinhole> pinholes(const Address& source) const;
    // Whether this pinhole is one of them. Of a range, any of its ports is meant as the whole.
    std::optional<Pinhole> pinhole(const Pinhole& like) const;
};

// Which address a knock may open for.
enum class Binding : std::uint8_t {
    match,    // the one that it names and comes from: nobody on the way can put his own there
    any,      // or the one that the packet comes from (a client behind NAT)
    explicit_ // or one that it names, whoever that is
};

struct NetworkList {
    std::uint32_t count = 0;
    Prefix networks[kMaxNetworks] = {};

    bool has(const Address& address) const {
        return std::any_of(networks, networks + count, [&](const Prefix& p) { return p.contains(address); });
    }
    bool operator==(const NetworkList&) const = default;
};

// Times of the week in which a user may knock, in this host's time zone. None: always.
struct Hours {
    struct Span {
        std::uint16_t from, until; // minutes since Sunday 00:00, from < until <= 10080
        bool operator==(const Span&) const = default;
    };
    std::uint32_t count = 0;
    Span spans[kMaxHours] = {};

    bool has(WallTime time) const; // by localtime_r(3): tzset(3) must have been called
    bool operator==(const Hours&) const = default;
};

// The throttle on guessing of one credential: daemon/authz/lockout.h.
struct Lockout {
    std::uint32_t free = 5;             // wrong codes that cost nothing
    std::chrono::seconds first{30};     // lock after one more; doubles
    std::chrono::seconds longest{3600}; // up to this
    std::uint32_t most = 50;            // locked for good
    bool operator==(const Lockout&) const = default;
};

// One device of one user, with the user's own rules beside it. The worker and the filter know a credential by its place
// (policy_change.h), which it keeps over reloads; its index in Policy::credentials of xknockd says nothing to them.
struct Credential {
    wire::CredentialId id{};
    Name user;
    Name device;
    FactorKind factor = FactorKind::none;
    std::uint8_t totp_digits = 6;
    bool enabled = true;
    Binding binding = Binding::any;
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: the service's, or 30 seconds and an hour
    WallTime valid_from = WallTime::min();
    WallTime valid_until = WallTime::max();
    NetworkList networks;          // where knocks may come from; empty: anywhere
    NetworkList explicit_networks; // for whom it may open besides itself (Binding::explicit_); empty: anybody
    Hours hours;
    Lockout lockout;
    std::bitset<kMaxServices> services; // by index into Policy::services

    std::string label() const { return std::string(user.view()) + "/" + std::string(device.view()); }
    bool operator==(const Credential&) const = default;
};

// Who holds the pinholes that the operator opens on the host. No credential has this id; he may open every service.
inline constexpr wire::CredentialId kOperator = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
Credential operators_credential();
struct Policy;
// The user's name, "operator", or nothing where nobody has this id any more.
std::string_view user_of(const Policy& policy, const wire::CredentialId& credential);

struct Settings {
    wire::ServerId server{};
    std::chrono::seconds skew = wire::kDefaultSkew; // of a client's clock, either way
    bool operator==(const Settings&) const = default;
};

struct Policy {
    Settings settings;
    std::vector<Service> services;
    std::vector<Credential> credentials;

    // By the index, where it was made after the last change of the credentials.
    std::optional<std::size_t> find_credential(const wire::CredentialId& id) const;
    void make_index();

  private:
    std::vector<std::pair<wire::CredentialId, std::uint32_t>> by_id_; // in order
};

static_assert(std::is_trivially_copyable_v<Service>);
static_assert(std::is_trivially_copyable_v<Credential>);
static_assert(std::is_trivially_copyable_v<Settings>);

// What a request asks for: a service by its id, or one pinhole like this one.
struct Wish {
    ServiceId service = 0;
    Pinhole like;
};

// One service of them that the credential may use, and its pinholes.
struct Target {
    std::size_t service = 0; // index into Policy::services
    std::vector<Pinhole> pinholes;
};

// One target, or with the id of kAllServices every service that the credential may use and that has a pinhole for the
// address; none where it may not.
std::vector<Target> find_targets(const Policy& policy, const Credential& credential, const Wish& wish);

// Whether anybody of this user could get a pinhole for this address: one of his own networks, or with
// Binding::explicit_ one that he may open for. Whoever knows where the knock came from can say more.
bool may_open_for(const Credential& credential, const Address& address);

// The lifetime that a request for `asked` seconds (0: the default) gets: the user's default before the service's, and
// no more than either allows.
inline constexpr std::chrono::seconds kDefaultLifetime{30}, kDefaultMaxLifetime{3600};
std::chrono::seconds grant_lifetime(const Credential& credential, const Service& service, std::uint32_t asked);

} // namespace xk::authz
