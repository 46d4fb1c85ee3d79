// SPDX-License-Identifier: MIT
//
// A judge with everything around it: a policy with one credential of each sort, clocks that the input moves, and a
// firewall that judges again, as xknockd does, and keeps the doors in a book without a kernel. It checks what
// holds for every door, whoever asks for it.
#pragma once

#include "daemon/gate/grants.h"
#include "daemon/gate/judge.h"
#include "fuzz.h"
#include "state_memory.h"

#include <memory>

namespace xk::fuzz {

enum Who : std::uint32_t { kTotp, kHmac, kPlain, kDelegate, kTotp8, kDisabled, kDated, kEd25519, kCredentials };

inline constexpr wire::ServerId kServer = {0x5e};
inline constexpr Bytes<32> kHmacKey = {7, 7, 7};
inline constexpr Bytes<20> kTotpSecret = {'1', '2', '3', '4', '5', '6', '7', '8', '9', '0',
                                          '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'};
inline constexpr Now kStart{WallTime(std::chrono::seconds(1'700'000'005)),
                            BootTime(std::chrono::seconds(1'000'000))};
inline constexpr std::size_t kMaxDoors = 100;

gate::Policy make_policy();
CredentialKeys keys_of(std::uint32_t who);

inline Address own_address() { return Address::v4(192, 0, 2, 1); }
// Sources and targets worth trying; every number means one.
Address address_of(std::uint8_t choice);

// The doors of all credentials by requests that anybody may make, as xknockd keeps them.
class DoorKeeper {
  public:
    explicit DoorKeeper(const gate::Policy& policy) : policy_(policy), own_{own_address()} {}

    gate::Answer open(const gate::DoorRequest& request, const Now& now);
    gate::Answer close(const gate::DoorRequest& request, const Now& now);
    gate::Answer close_all(std::uint32_t credential, const Now& now);

    gate::BanList bans;

  private:
    void check_doors(const gate::DoorRequest& request, const gate::Permit& permit) const;
    void check_book() const;

    const gate::Policy& policy_;
    std::set<Address> own_;
    gate::GrantBook book_;
};

// What the judge asks for is written down and goes to the DoorKeeper, unless another answer is set.
class RecordingFirewall : public gate::Firewall {
  public:
    struct Asked {
        Action action;
        gate::DoorRequest request; // close_all: the credential only
    };

    RecordingFirewall(DoorKeeper& keeper, const Now& now) : keeper_(keeper), now_(now) {}

    gate::Answer open(const gate::DoorRequest& request) override;
    gate::Answer close(const gate::DoorRequest& request) override;
    gate::Answer close_all(std::uint32_t credential) override;

    std::vector<Asked> asked;
    std::optional<gate::Answer> failing;

  private:
    DoorKeeper& keeper_;
    const Now& now_;
};

struct Gatehouse {
    // `memory` is all zero.
    explicit Gatehouse(StateMemory& memory);

    // The worker ends and begins again.
    void restart();
    void pass(std::chrono::microseconds time);
    void set_wall(WallTime wall);
    // Judges, and checks that exactly one counter went up by one.
    gate::Outcome judge(const gate::Candidate& candidate);
    const gate::CredentialState& record(std::uint32_t who) const {
        return *state.find(policy.credentials[who].id);
    }

    gate::Policy policy;
    Now now;
    gate::State state;
    DoorKeeper keeper;
    RecordingFirewall firewall;

  private:
    std::unique_ptr<gate::Judge> judge_;
};

} // namespace xk::fuzz
