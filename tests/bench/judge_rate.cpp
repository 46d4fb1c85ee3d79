// SPDX-License-Identifier: MIT
//
// What judging costs: genuine knocks of one credential with an HMAC, each new, before a judge whose firewall grants at
// once. Prints microseconds for each knock, the median of the rounds.
#include "daemon/authz/judge.h"
#include "protocol/otp.h"
#include "protocol/seal.h"

#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace xk;
using namespace xk::authz;

namespace {

constexpr std::size_t kKnocks = 2000; // in a round: within the share of the replay memory that one credential has
constexpr std::size_t kRounds = 25;
constexpr wire::ServerId kServer = {0x5e};
constexpr Bytes<32> kHmacKey = {7};

struct Granting : Firewall {
    std::size_t granted = 0;
    Answer open_grant(const GrantRequest&) override {
        ++granted;
        return Answer::done;
    }
    Answer close_grant(const GrantRequest&) override { return Answer::done; }
    Answer close_all(std::uint32_t) override { return Answer::done; }
};

Policy make_policy() {
    Policy policy;
    policy.settings.server = kServer;
    Service ssh;
    ssh.name = Name("ssh");
    ssh.id = service_id("ssh");
    ssh.port_count = 1;
    ssh.ports[0] = PortRange::of({IpProtocol::tcp, 22});
    policy.services = {ssh};
    Credential credential;
    credential.id = {1};
    credential.user = Name("bench");
    credential.factor = FactorKind::hmac;
    credential.services.set(0);
    policy.credentials = {credential};
    return policy;
}

std::vector<Record> make_records(const Now& now) {
    CredentialKeys keys;
    derive_keys(keys, Key{1}, kServer, {1});
    const Slot slot = slot_of(now.wall);
    std::vector<Record> records(kKnocks);
    for (std::size_t i = 0; i < kKnocks; ++i) {
        Request request;
        request.factor = FactorKind::hmac;
        request.service = service_id("ssh");
        request.clock = now.wall;
        request.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 1};
        RequestBytes bytes = encode_request(request);
        const wire::Nonce nonce = hedged_nonce(keys.nonce, now.wall, bytes);
        const Proof proof = hmac_proof(kHmacKey, kServer, gate_keys(keys.gate, slot).tag, nonce, bytes);
        std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
        const wire::Packet packet = seal_packet(keys, slot, nonce, bytes);
        records[i].source = Address::v4(192, 0, 2, 7);
        records[i].destination = Address::v4(192, 0, 2, 1);
        records[i].arrived = now.boot;
        records[i].bytes.assign(packet);
    }
    return records;
}

double round(const std::vector<Record>& records, const Now& now) {
    std::vector<std::uint64_t> memory(state_size(kReplayEntries) / 8);
    State state({reinterpret_cast<std::uint8_t*>(memory.data()), memory.size() * 8});
    state.begin_boot({1}, now, std::chrono::seconds(30), {});
    state.header().horizon = state.header().horizon_boot = state.header().refused_until = 0;
    Secret<CredentialKeys> keys(1);
    Secret<FactorSecret> factors(1);
    derive_keys(keys[0], Key{1}, kServer, {1});
    factors[0].size = kHmacKey.size();
    std::copy(kHmacKey.begin(), kHmacKey.end(), factors[0].bytes);
    BanList bans;
    Granting firewall;
    Judge judge(make_policy(), std::move(keys), std::move(factors), state, bans, now);
    judge.follow_clock(now);
    const auto begin = std::chrono::steady_clock::now();
    for (const Record& record : records)
        judge.judge_record(record, now, firewall);
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
    if (firewall.granted != records.size()) {
        std::fprintf(stderr, "only %zu of %zu knocks were granted\n", firewall.granted, records.size());
        std::exit(1);
    }
    return time.count() / static_cast<double>(records.size());
}

} // namespace

int main() {
    if (sodium_init() < 0)
        return 1;
    const Now now{WallTime(std::chrono::seconds(1'700'000'005)), BootTime(std::chrono::seconds(1'000'000))};
    const auto records = make_records(now);
    std::vector<double> times;
    for (std::size_t i = 0; i < kRounds; ++i)
        times.push_back(round(records, now));
    std::ranges::sort(times);
    std::printf("%.3f us for each knock (least %.3f)\n", times[times.size() / 2], times.front());
    return 0;
}
