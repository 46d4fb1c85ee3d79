// SPDX-License-Identifier: MIT
//
// Policy: the users, credentials and services that judgement needs; the configuration without files, secrets and
// network interfaces. The tables are trivially copyable, so that the privileged process can hand them to the worker as
// they are. Both processes judge by the same tables.
#pragma once

#include "daemon/authz/pinhole.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/quote.h"
#include "protocol/request.h"
#include "protocol/sequence.h"
#include "protocol/service.h"
#include "protocol/wire.h"

#include <algorithm>
#include <array>
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
inline constexpr std::size_t kMaxPorts = 16;          // ports and ranges of ports of one service
inline constexpr std::size_t kMaxNetworks = 8;        // of each kind, of one user
inline constexpr std::size_t kMaxHours = 16;          // of one user
inline constexpr std::size_t kMaxCredentials = 10000; // XK_MAX_CREDENTIALS

// This decides what happens to sessions when their grant ends.
enum class After : std::uint8_t {
    keep, // they live on
    cut,  // they end with it
    idle, // they keep the grant alive: it ends a while after the last of them
};

struct Service {
    Name name;
    ServiceId id = 0;
    std::uint32_t port_count = 0;
    PortRange ports[kMaxPorts] = {};
    // The host behind this one that has the ports, for each family of the client's address. Unspecified: the ports are
    // this host's own. A service with a target has no ranges of ports.
    Address target4, target6;
    // The port of this host that is translated to the target's only port. None: clients address the target itself.
    Endpoint published;
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: not given
    After after = After::keep;
    std::chrono::seconds idle{0};      // After::idle: from the end of the last session to the end of the grant
    std::uint32_t max_connections = 0; // from one address at the same time; 0: any number
    bool single_use = false;           // a grant ends with the first connection that comes by it

    bool is_behind() const { return target4 != Address{} || target6 != Address{}; }
    const Address& target_for(const Address& source) const { return source.is_v4() ? target4 : target6; }
    bool has_ranges() const {
        return std::any_of(ports, ports + port_count, [](const PortRange& p) { return !p.is_single(); });
    }
    // nftables cannot end the grant of a range with a connection. Where sessions end with their grant (after: cut), the
    // first connection would end the grant and so itself.
    bool can_be_single_use() const { return !has_ranges() && after != After::cut; }
    std::span<const PortRange> all_ports() const { return {ports, port_count}; }
    // The pinholes of the whole service for this source. None where the service has no target of the source's family.
    std::vector<Pinhole> pinholes(const Address& source) const;
    // The one of them that is like this. Any port of a range means the whole range.
    std::optional<Pinhole> pinhole(const Pinhole& like) const;
};

// The ways of knocking (docs/modes.md). A user may use the first one alone unless their file says more.
enum class KnockMode : std::uint8_t { packet, sequence, c_lock, handshake, capyknock, fwknop };
inline constexpr std::array<std::string_view, 6> kKnockModeNames = {"packet",    "sequence",  "c-lock",
                                                                    "handshake", "capyknock", "fwknop"};
inline constexpr std::size_t kKnockModes = kKnockModeNames.size();

// The hash of fwknop's HMAC.
enum class HmacKind : std::uint8_t { md5, sha1, sha256, sha384, sha512 };
inline constexpr std::array<std::string_view, 5> kHmacKindNames = {"md5", "sha1", "sha256", "sha384", "sha512"};

// What makes the packets of a device. The program decides what its secrets are. An old client's device knocks in the
// mode of its kind alone, and no other device does.
enum class DeviceKind : std::uint8_t { xknock, capyknock, fwknop };
inline constexpr std::array<std::string_view, 3> kDeviceKindNames = {"xknock", "capyknock", "fwknop"};

// The facts about a device of an old client that are not secret.
inline constexpr std::size_t kMaxLegacyName = 64; // bytes
struct LegacyClient {
    DeviceKind kind = DeviceKind::xknock;
    HmacKind hmac = HmacKind::sha256;   // fwknop
    std::uint16_t port = 0;             // capyknock: the port that its packets ask for, of `target`
    Address target;                     // capyknock
    char name[kMaxLegacyName + 1] = {}; // capyknock: of the user, in its packets

    std::string_view name_view() const { return {name, ::strnlen(name, kMaxLegacyName)}; }
    bool operator==(const LegacyClient&) const = default;
};

// So many devices may be of kind fwknop. Its packets name no user, so each of them is tried with the keys of all.
inline constexpr std::size_t kMostFwknopDevices = 64;

// This decides which address a knock may open for.
enum class Binding : std::uint8_t {
    match,    // the one that it names and comes from, so that nobody on the path can put in their own
    any,      // also the one that the packet comes from (a client behind NAT)
    explicit_ // also any other that it names
};

struct NetworkList {
    std::uint32_t count = 0;
    Prefix networks[kMaxNetworks] = {};

    bool has(const Address& address) const {
        return std::any_of(networks, networks + count, [&](const Prefix& p) { return p.contains(address); });
    }
    bool operator==(const NetworkList&) const = default;
};

// Times of the week, in this host's time zone, in which a user may knock. None: always.
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

// The rules by which wrong codes lock one credential (daemon/authz/lockout.h).
struct Lockout {
    std::uint32_t free = 5;             // wrong codes that cost nothing
    std::chrono::seconds first{30};     // the lock after one more; each further one doubles it
    std::chrono::seconds longest{3600}; // but it is never longer than this
    std::uint32_t most = 50;            // this many lock for good
    bool operator==(const Lockout&) const = default;
};

// One device of one user, together with the user's rules. The worker and the filter know a credential by its place
// (policy_change.h), which it keeps over reloads. Its index in xknockd's own Policy::credentials means nothing to them.
struct Credential {
    wire::CredentialId id{};
    Name user;
    Name device;
    FactorKind factor = FactorKind::none;
    std::uint8_t totp_digits = 6; // of a code, for factors totp and hotp
    bool enabled = true;
    LegacyClient legacy;
    Binding binding = Binding::any;
    std::bitset<kKnockModes> modes{1};                 // by KnockMode
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: the service's, or 30 seconds and an hour
    WallTime valid_from = WallTime::min();
    WallTime valid_until = WallTime::max();
    NetworkList networks;          // knocks may come from here; empty: from anywhere
    NetworkList explicit_networks; // it may also open for these (Binding::explicit_); empty: for any address
    Hours hours;
    Lockout lockout;
    std::bitset<kMaxServices> services; // by index into Policy::services

    bool has_mode(KnockMode mode) const { return modes[static_cast<std::size_t>(mode)]; }
    std::string label() const { return std::string(user.view()) + "/" + std::string(device.view()); }
    bool operator==(const Credential&) const = default;
};

// The holder of the pinholes that the operator opens on the host. No credential has this id. The operator may open
// every service.
inline constexpr wire::CredentialId kOperator = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
Credential operators_credential();
struct Policy;
// The user's name, "operator", or an empty text where nobody has this id any more.
std::string_view user_of(const Policy& policy, const wire::CredentialId& credential);

// Sequences of ports (protocol/sequence.h).
struct SequenceSettings {
    std::uint32_t ports = sequence::kStrongPorts;
    ServiceId opens = service_id(kAllServices); // of those that the user has
    bool operator==(const SequenceSettings&) const = default;
};

// Sequences of c-lock, which follow from a code of the second factor.
struct ClockSettings {
    std::uint32_t ports = sequence::kClockPorts;
    ServiceId opens = service_id(kAllServices); // of those that the user has
    bool operator==(const ClockSettings&) const = default;
};

struct Settings {
    wire::ServerId server{};
    std::chrono::seconds skew = wire::kDefaultSkew; // of a client's clock, either way
    SequenceSettings sequence;
    ClockSettings c_lock;
    bool operator==(const Settings&) const = default;
};

struct Policy {
    Settings settings;
    std::vector<Service> services;
    std::vector<Credential> credentials;

    // Fast if make_index() was called after the last change of the credentials; else it compares each of them.
    std::optional<std::size_t> find_credential(const wire::CredentialId& id) const;
    void make_index();

  private:
    std::vector<std::pair<wire::CredentialId, std::uint32_t>> by_id_; // in order
};

static_assert(std::is_trivially_copyable_v<Service>);
static_assert(std::is_trivially_copyable_v<Credential>);
static_assert(std::is_trivially_copyable_v<Settings>);

// Selects what a request is about: a service by its id, or the pinhole that is like this one.
struct Selector {
    ServiceId service = 0; // 0: by the pinhole
    Pinhole like;          // with a service only its address counts
};

// One service that the credential may use, and the selected pinholes of it.
struct Target {
    std::size_t service = 0; // index into Policy::services
    std::vector<Pinhole> pinholes;
};

// One target; with the id of kAllServices one for each service that the credential may use and that has a pinhole for
// the address. Empty where the credential may use none.
std::vector<Target> find_targets(const Policy& policy, const Credential& credential, const Selector& selector);

// Whether any knock with this credential could get a pinhole for this address: it is in the user's own networks, or in
// those that they may open for (Binding::explicit_). A caller who knows the source of the knock can check more.
bool may_open_for(const Credential& credential, const Address& address);

// The lifetime of a grant for which `asked` seconds (0: the default) were requested. The user's default has precedence
// over the service's. The lifetime is never longer than either of them allows.
inline constexpr std::chrono::seconds kDefaultLifetime{30}, kDefaultMaxLifetime{3600};
std::chrono::seconds grant_lifetime(const Credential& credential, const Service& service, std::uint32_t asked);

} // namespace xk::authz
