// SPDX-License-Identifier: MIT
//
// Handshakes: the server's end of knocks by handshake (docs/protocol.md, "The handshake"). A hello that is authentic
// and new becomes an answer and a *session*: the keys of the request that may follow. Sessions are bounded in number
// and in time, and none ends another one. They are lost with the process; the client then begins a new handshake.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/record.h"
#include "daemon/authz/reject.h"
#include "daemon/authz/state.h"
#include "protocol/base/clock.h"
#include "protocol/handshake.h"
#include "protocol/keys.h"
#include "protocol/secret.h"
#include "protocol/wire.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace xk::authz {

inline constexpr std::chrono::seconds kSessionLife{15}; // from the hello on
inline constexpr std::size_t kMostHalfOpen = 4;         // sessions of one credential whose request has not come
inline constexpr std::size_t kMostSessions = 1024;      // of all credentials, with those whose request has come
// So many credentials may use handshakes: the filter's map has room for their tags on every host (XK_MAX_HANDSHAKES).
inline constexpr std::size_t kMostHandshakes = 1000;

// The tags of hellos do not end with a slot. They end so that a dead daemon's do, and are renewed long before.
inline constexpr std::chrono::hours kHelloLife{1};

// What follows from a hello. It has a key, so its owner wipes it.
struct HelloAnswer {
    std::uint32_t place; // of the credential
    GateKeys gate;       // tag and MAC key of the request
    std::int64_t until;  // boot time, ns: the request may come
    wire::Packet packet; // to send to the source of the hello
};

class Handshakes {
  public:
    Handshakes(const Policy& policy, const Secret<CredentialKeys>& keys) : policy_(policy), keys_(keys) {}

    // Reads a hello: it is of the credential and the number that the record suggests. `state` continues the handshake
    // in answer(). Nothing: it is authentic.
    std::optional<Reject> read(const Record& record, noise::Handshake& state) const;

    // Makes the answer and the session. A reason: there is no room, or the hello cannot be answered.
    std::optional<Reject> answer(const Record& record, noise::Handshake& state, const Now& now, HelloAnswer& answer);

    // The session whose request has this tag. `request_came()` ends its being half open.
    struct Session {
        CredentialKeys keys;
        noise::Hash transcript;
        wire::Tag tag;
        std::uint8_t peer[16]; // the source of the hello
        std::int64_t until;    // boot time, ns; 0: there is no session here
        std::uint32_t place;
        std::uint32_t came; // not 0: its request has come
    };
    Session* find(const wire::Tag& tag, BootTime at);

    // Ends the sessions of a credential that changes.
    void remove_credential(std::uint32_t place);

  private:
    Session* free_session(std::uint32_t place, BootTime now);

    const Policy& policy_;
    const Secret<CredentialKeys>& keys_;
    Secret<Session> sessions_{0}; // made with the first hello: most hosts have none
};

// The tag and the MAC key of a hello.
GateKeys hello_gate(const CredentialKeys& keys, handshake::Number number);

// Whether the rights or the codes of this credential depend on our wall clock.
bool depends_on_clock(const Credential& credential);

} // namespace xk::authz
