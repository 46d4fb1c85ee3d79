// SPDX-License-Identifier: MIT
//
// A judge with everything around it, for tests: two users, a client that seals what it is told, a firewall
// that writes down what it is asked, and clocks that only move when the test moves them.
#pragma once

#include "daemon/authz/judge.h"
#include "protocol/seal.h"

#include <doctest/doctest.h>

#include <deque>
#include <memory>

namespace xk::test {

using namespace authz;
using namespace std::chrono_literals;

inline Address address(const char* text) { return Address::parse(text).value(); }

// As mapped from a file.
class StateMemory {
  public:
    explicit StateMemory(std::size_t replay_entries = kReplayEntries) : words_(state_size(replay_entries) / 8) {}
    std::span<std::uint8_t> bytes() { return {reinterpret_cast<std::uint8_t*>(words_.data()), words_.size() * 8}; }
    StateImage& image() { return *reinterpret_cast<StateImage*>(words_.data()); }

  private:
    std::vector<std::uint64_t> words_;
};

inline wire::Packet packet_of(const Record& record) {
    wire::Packet packet{};
    REQUIRE(record.bytes.size() == packet.size());
    std::copy(record.bytes.begin(), record.bytes.end(), packet.begin());
    return packet;
}

struct RecordingFirewall : Firewall {
    std::deque<GrantRequest> opened, closed;
    std::deque<std::uint32_t> closed_all;
    Answer answer = Answer::done;

    Answer open_grant(const GrantRequest& r) override {
        opened.push_back(r);
        return answer;
    }
    Answer close_grant(const GrantRequest& r) override {
        closed.push_back(r);
        return answer;
    }
    Answer close_all(std::uint32_t credential) override {
        closed_all.push_back(credential);
        return answer;
    }
    bool untouched() const { return opened.empty() && closed.empty() && closed_all.empty(); }
};

inline const Bytes<20> kTotpSecret = {'1', '2', '3', '4', '5', '6', '7', '8', '9', '0',
                                      '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'};
inline const Bytes<32> kHmacKey = {7, 7, 7};
inline const wire::ServerId kServer = {0x5e};
inline const Bytes<16> kBoot = {0xb0, 0x07};

// Credentials of the setup.
enum Who : std::uint32_t { kTotp = 0, kHmac = 1, kPlain = 2, kDelegate = 3, kTotp8 = 4, kHotp = 5 };

class Setup {
  public:
    Setup() : state(memory_.bytes()) {
        now.wall = WallTime(1'700'000'005s);
        now.boot = BootTime(1'000'000s);
        if (!state.is_of(kBoot)) {
            state.begin_boot(kBoot, now, 30s, {});
            state.header().horizon = state.header().horizon_boot = state.header().refused_until =
                0; // tests of the horizon set it themselves
        }
        policy = make_policy();
        restart();
    }

    static Policy make_policy() {
        Policy p;
        p.settings.server = kServer;
        Service ssh;
        ssh.name = Name("ssh");
        ssh.id = service_id("ssh");
        ssh.port_count = 1;
        ssh.ports[0] = PortRange::of({IpProtocol::tcp, 22});
        Service web;
        web.name = Name("web");
        web.id = service_id("web");
        web.port_count = 2;
        web.ports[0] = PortRange::of({IpProtocol::tcp, 80});
        web.ports[1] = PortRange::of({IpProtocol::tcp, 443});
        p.services = {ssh, web};
        const auto add = [&](const char* user, const char* device, FactorKind factor) -> Credential& {
            Credential c;
            c.id = {static_cast<std::uint8_t>(p.credentials.size() + 1), 0xcc};
            c.user = Name(user);
            c.device = Name(device);
            c.factor = factor;
            c.services.set(0);
            p.credentials.push_back(c);
            return p.credentials.back();
        };
        add("anna", "laptop", FactorKind::totp);
        add("anna", "ci", FactorKind::hmac).services.set(1);
        add("bob", "phone", FactorKind::none).lifetime = 60s;
        add("ops", "jump", FactorKind::none).binding = Binding::explicit_;
        add("carl", "pc", FactorKind::totp).totp_digits = 8;
        add("dora", "token", FactorKind::hotp);
        return p;
    }

    // The worker ends and begins again: the judge is new, the state is not.
    void restart() {
        Secret<CredentialKeys> keys(policy.credentials.size());
        Secret<FactorSecret> factors(policy.credentials.size());
        for (std::size_t i = 0; i < policy.credentials.size(); ++i) {
            keys[i] = keys_of(static_cast<std::uint32_t>(i));
            if (has_codes(policy.credentials[i].factor)) {
                factors[i].size = kTotpSecret.size();
                std::copy(kTotpSecret.begin(), kTotpSecret.end(), factors[i].bytes);
            } else if (policy.credentials[i].factor == FactorKind::hmac) {
                factors[i].size = kHmacKey.size();
                std::copy(kHmacKey.begin(), kHmacKey.end(), factors[i].bytes);
            }
        }
        judge = std::make_unique<Judge>(policy, std::move(keys), std::move(factors), state, bans, now, admission);
        judge->follow_clock(now);
    }

    CredentialKeys keys_of(std::uint32_t who) const {
        CredentialKeys k;
        derive_keys(k, Key{static_cast<std::uint8_t>(who + 1)}, kServer, policy.credentials[who].id);
        return k;
    }

    // What a client of credential `who` says now: open ssh, right in every respect.
    Request request(std::uint32_t who) {
        Request r;
        r.factor = policy.credentials[who].factor;
        r.service = service_id("ssh");
        r.clock = now.wall;
        r.id = {++requests_, 0x1d};
        if (r.factor == FactorKind::totp)
            set_code(r, totp_code(kTotpSecret, totp_step(now.wall), policy.credentials[who].totp_digits));
        if (r.factor == FactorKind::hotp)
            set_code(r, hotp_code(kTotpSecret, next_counter(record(who).code_step), 6));
        return r;
    }
    static void set_code(Request& r, std::string_view code) {
        r.proof = Proof{};
        std::copy(code.begin(), code.end(), r.proof.begin());
    }

    Record sealed(std::uint32_t who, Request r, const char* source = "192.0.2.7") {
        return sealed_bytes(who, r, encode_request(r), source);
    }
    Record sealed_bytes(std::uint32_t who, const Request& r, RequestBytes bytes, const char* source = "192.0.2.7") {
        const CredentialKeys k = keys_of(who);
        const Slot slot = slot_of(r.clock);
        const wire::Nonce nonce = hedged_nonce(k.nonce, r.clock, bytes);
        if (r.factor == FactorKind::hmac && all_zero(r.proof)) {
            const Proof proof = hmac_proof(kHmacKey, kServer, gate_keys(k.gate, slot).tag, nonce, bytes);
            std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
        }
        Record c;
        c.source = address(source);
        c.destination = address("192.0.2.1");
        c.source_port = 40000;
        c.arrived = now.boot;
        const wire::Packet packet = seal_packet(k, slot, nonce, bytes);
        c.bytes.assign(packet);
        return c;
    }

    Outcome judged(const Record& c) { return judge->judge_record(c, now, firewall); }
    Outcome knock(std::uint32_t who, const char* source = "192.0.2.7") {
        return judged(sealed(who, request(who), source));
    }
    Outcome knock(std::uint32_t who, const Request& r, const char* source = "192.0.2.7") {
        return judged(sealed(who, r, source));
    }

    void pass(std::chrono::microseconds time) {
        now.wall += time;
        now.boot += time;
        judge->follow_clock(now);
    }
    void set_wall(WallTime wall) {
        now.wall = wall;
        judge->follow_clock(now);
    }
    const CredentialState& record(std::uint32_t who) const { return *state.find(policy.credentials[who].id); }
    std::uint64_t count(Reject reason) const { return state.header().rejects[static_cast<std::size_t>(reason)]; }

  private:
    StateMemory memory_;
    std::uint8_t requests_ = 0;

  public:
    State state;
    Now now{};
    Policy policy;
    BanList bans;
    RecordingFirewall firewall;
    Admission* admission = nullptr; // this host's own
    std::unique_ptr<Judge> judge;
};

inline bool is_refused(const Outcome& outcome, Reject reason) {
    const Refused* refused = outcome.refused();
    if (refused != nullptr && refused->reason != reason)
        MESSAGE("refused for: " << name_of(refused->reason));
    return refused != nullptr && refused->reason == reason;
}

inline bool is_accepted(const Outcome& outcome) {
    if (outcome.refused() != nullptr)
        MESSAGE("refused for: " << name_of(outcome.refused()->reason));
    return outcome.accepted() != nullptr && !outcome.accepted()->retry;
}

} // namespace xk::test
