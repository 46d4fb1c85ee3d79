// SPDX-License-Identifier: MIT
//
// Knock: one request to one address of the server, from one address of this host. The connection that follows uses the
// same pair of addresses, because the pinhole is for that pair. By handshake each send() needs an answer of the server
// before, and names the address that the server saw.
#pragma once

#include "client/addresses.h"
#include "client/greeting.h"
#include "client/profile.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/request.h"

#include <optional>
#include <string>

namespace xk::client {

// The request that the knock carries.
struct RequestSpec {
    Action action = Action::open;
    ServiceId service = 0;
    Endpoint endpoint;                  // where no service is named: of the server, or
    Address target;                     // of this host behind it
    bool single_use = false;            // the grant is to end with its first connection
    std::uint32_t lifetime = 0;         // seconds; 0: profile's, then server's
    std::optional<Address> for_address; // mode "delegated"
    std::optional<Address> source;      // our own address to use
    std::optional<wire::RequestId> id;  // none: a new one
};

class Knock {
  public:
    // Opens the socket and fixes request id and addresses; sends nothing.
    static Result<Knock> prepare(const Profile& profile, const RequestSpec& spec, const Place& server);

    // By handshake: whether greet() comes before the next send().
    bool needs_greeting() const { return greeting_ && !greeting_->is_answered(); }
    // Greeting::run(). True at once where it is not needed.
    Result<bool> greet(Greeting::Clock::time_point deadline, const Wait& wait,
                       const std::function<void(handshake::Number)>& sent);
    // By handshake. Its answer is there behind greet().
    const Greeting* greeting() const { return greeting_ ? &*greeting_ : nullptr; }

    // Seals the request anew for this moment and sends it. The request id stays, so that a packet that arrives
    // after another one of this Knock changes nothing. `code` is empty unless the factor has codes.
    Result<void> send(const std::string& code);
    // The last packet once more, to the byte.
    Result<void> send_copy();

    const Place& server() const { return server_; }
    const Address& local() const { return local_; }
    // The slot of the last packet; by handshake 0.
    Slot slot() const { return slot_; }
    // Whether the request names an address, and which one.
    AddressMode mode() const { return request_.address_mode; }
    const Address& named() const { return request_.address; }
    // From the next fresh packet on the request names our address where it did not, or the other way round: the policy
    // "auto" could not know whether the address is translated. Does nothing where the policy or the address forbids it,
    // and by handshake, where the server says which address it sees.
    void try_other_mode();
    // The request names this address of ours, which a server elsewhere sees (STUN), until try_other_mode().
    void name_address(const Address& seen);
    // Another socket where the kernel now uses another of our addresses for the server. Whether it does; an error where
    // there is no way to the server.
    Result<bool> follow_address();
    // Another request: it is for one address of a family, and its grant may be over. A code is used up with its
    // request, and good for the other family.
    void begin_anew();

  private:
    Knock(const Profile& profile, Fd socket, const Place& server)
        : profile_(&profile), socket_(std::move(socket)), server_(server) {
        if (profile.by_handshake())
            greeting_.emplace(profile);
    }
    void come_from(const Address& local);
    Result<void> seal(const std::string& code, const CredentialKeys& keys, WallTime clock, Slot slot);
    Proof hmac_proof_of(const wire::Tag& tag, const wire::Nonce& nonce, const RequestBytes& bytes) const;

    const Profile* profile_;
    Fd socket_;
    Place server_;
    std::optional<Address> source_; // that the user wants
    Address local_;
    Request request_;
    Slot slot_ = 0;
    std::optional<Address> ours_; // as the request may name it
    wire::Packet packet_{};
    std::optional<Greeting> greeting_; // by handshake
};

} // namespace xk::client
