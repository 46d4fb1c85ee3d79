// SPDX-License-Identifier: MIT
//
// A judge with everything around it: a policy with one credential of each sort, clocks that the input moves, and a
// firewall that judges again, as xknockd does, and keeps the pinholes in a book without a kernel. It checks what
// holds for every pinhole, whoever asks for it.
#pragma once

#include "daemon/authz/grant_book.h"
#include "daemon/authz/judge.h"
#include "fuzz.h"
#include "state_memory.h"

#include <memory>
#include <variant>

namespace xk::fuzz {

enum Who : std::uint32_t { kTotp, kHmac, kPlain, kDelegate, kTotp8, kDisabled, kDated, kEd25519, kCredentials };

inline constexpr wire::ServerId kServer = {0x5e};
inline constexpr Bytes<32> kHmacKey = {7, 7, 7};
inline constexpr Bytes<20> kTotpSecret = {'1', '2', '3', '4', '5', '6', '7', '8', '9', '0',
                                          '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'};
inline constexpr Now kStart{WallTime(std::chrono::seconds(1'700'000'005)), BootTime(std::chrono::seconds(1'000'000))};
inline constexpr std::size_t kMaxPinholes = 100;

authz::Policy make_policy();
CredentialKeys keys_of(std::uint32_t who);

inline Address own_address() { return Address::v4(192, 0, 2, 1); }
// Sources and targets worth trying; every number means one.
Address address_of(std::uint8_t choice);

// The pinholes of all credentials by requests that anybody may make, as xknockd keeps them.
class GrantTable {
  public:
    explicit GrantTable(const authz::Policy& policy) : policy_(policy), own_{own_address()} {}

    authz::Answer open_grant(const authz::GrantRequest& request, const Now& now);
    authz::Answer close_grant(const authz::GrantRequest& request, const Now& now);
    authz::Answer close_all(std::uint32_t credential, const Now& now);

    authz::BanList bans;

  private:
    void check_pinholes(const authz::GrantRequest& request, const authz::Permit& permit) const;
    void check_book() const;

    const authz::Policy& policy_;
    std::set<Address> own_;
    authz::GrantBook book_;
};

// What the judge asks for is written down and goes to the GrantTable, unless another answer is set.
class RecordingFirewall : public authz::Firewall {
  public:
    struct Asked {
        Action action;
        authz::GrantRequest request; // close_all: the credential only
    };

    RecordingFirewall(GrantTable& keeper, const Now& now) : keeper_(keeper), now_(now) {}

    authz::Answer open_grant(const authz::GrantRequest& request) override;
    authz::Answer close_grant(const authz::GrantRequest& request) override;
    authz::Answer close_all(std::uint32_t credential) override;

    std::vector<Asked> asked;
    std::optional<authz::Answer> failing;

  private:
    GrantTable& keeper_;
    const Now& now_;
};

struct Fixtures {
    // `memory` is all zero.
    explicit Fixtures(StateMemory& memory);

    // The worker ends and begins again.
    void restart();
    void pass(std::chrono::microseconds time);
    void set_wall(WallTime wall);
    // Judges, and checks that exactly one counter went up by one.
    authz::Outcome judge(const authz::Record& record);
    // Likewise a hello, where only a refusal counts.
    std::variant<authz::HelloAnswer, authz::Outcome> judge_hello(const authz::Record& record);
    const authz::CredentialState& record(std::uint32_t who) const { return *state.find(policy.credentials[who].id); }

    authz::Policy policy;
    Now now;
    authz::State state;
    GrantTable keeper;
    RecordingFirewall firewall;

  private:
    std::unique_ptr<authz::Judge> judge_;
};

} // namespace xk::fuzz
