// SPDX-License-Identifier: MIT
//
// Who may enter, as judgement needs it: the configuration without files, secrets and network interfaces.
// The tables are trivially copyable, so that the privileged process hands them to the worker as they are;
// both judge by the same ones.
#pragma once

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
#include <string_view>
#include <type_traits>
#include <vector>

namespace xk::gate {

// A name that is_name() accepts, in place.
struct Name {
    char text[kMaxName + 1] = {};

    Name() = default;
    explicit Name(std::string_view from) {
        std::copy_n(from.begin(), std::min(from.size(), kMaxName), text);
    }
    std::string_view view() const { return {text, ::strnlen(text, kMaxName)}; }
};

inline constexpr std::size_t kMaxServices = 256;
inline constexpr std::size_t kMaxEndpoints = 16; // of one service
inline constexpr std::size_t kMaxCredentials = 10000; // XK_MAX_CREDENTIALS

struct Service {
    Name name;
    ServiceId id = 0;
    std::uint32_t endpoint_count = 0;
    Endpoint endpoints[kMaxEndpoints] = {};

    bool has(const Endpoint& endpoint) const {
        return std::find(endpoints, endpoints + endpoint_count, endpoint) !=
               endpoints + endpoint_count;
    }
};

// One device of one user, with the user's own rules beside it. The index of a credential in its table is
// its name between the processes and in the filter's maps.
struct Credential {
    wire::CredentialId id{};
    Name user;
    Name device;
    FactorKind factor = FactorKind::none;
    std::uint8_t totp_digits = 6;
    bool enabled = true;
    bool nat = true;       // the packet's source may stand for the client (address mode 0)
    bool delegate = false; // may open for another address (mode 2)
    std::chrono::seconds lifetime{30};
    std::chrono::seconds max_lifetime{3600};
    WallTime valid_from = WallTime::min();
    WallTime valid_until = WallTime::max();
    std::bitset<kMaxServices> services; // by index into Policy::services

    std::string label() const {
        return std::string(user.view()) + "/" + std::string(device.view());
    }
};

// Who holds the doors that the operator opens on the host. No credential has this id; he may open every service.
inline constexpr wire::CredentialId kOperator = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
Credential operators_credential();

struct Settings {
    wire::ServerId server{};
    std::chrono::seconds skew = wire::kDefaultSkew; // of a client's clock, either way
};

struct Policy {
    Settings settings;
    std::vector<Service> services;
    std::vector<Credential> credentials;

    std::optional<std::size_t> find_credential(const wire::CredentialId& id) const {
        const auto found = std::find_if(credentials.begin(), credentials.end(),
                                        [&](const Credential& c) { return c.id == id; });
        return found == credentials.end()
                   ? std::nullopt
                   : std::optional(static_cast<std::size_t>(found - credentials.begin()));
    }
};

static_assert(std::is_trivially_copyable_v<Service>);
static_assert(std::is_trivially_copyable_v<Credential>);
static_assert(std::is_trivially_copyable_v<Settings>);

// What a request asks for, once the credential's right to it is sure.
struct Target {
    std::size_t service = 0;          // index into Policy::services
    std::vector<Endpoint> endpoints;  // one, or all of the service
};

// The service (by id or by endpoint) that the credential may use; nothing where it may not.
std::optional<Target> find_target(const Policy& policy, const Credential& credential,
                                  ServiceId service, const Endpoint& endpoint);

// The lifetime that a request for `asked` seconds (0: the default) gets.
std::chrono::seconds grant_lifetime(const Credential& credential, std::uint32_t asked);

} // namespace xk::gate
