// SPDX-License-Identifier: MIT
//
// xk-packet: knocks as an attacker or a broken client would make them. For the end-to-end tests only.
//   make   seals a request from a profile, with fields changed, and writes the 192 bytes to standard output
//   send   sends a file's bytes as UDP payload, changed on the way
//   replay sends again what an eavesdropper heard: the IPv4 packets of a capture of Ethernet (tcpdump -w), as they were
//   code   prints the one-time code that counts now, of a profile with otp_secret
#include "client/code.h"
#include "client/profile.h"
#include "protocol/base/fd.h"
#include "protocol/seal.h"

#include <CLI/CLI.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

using namespace xk;

namespace {

int fail(const Error& error) {
    std::cerr << "xk-packet: " << error.message << "\n";
    return 1;
}

struct Make {
    std::string profile, code, address;
    long long clock_offset = 0, slot_offset = 0;
    std::vector<std::string> set; // OFFSET=VALUE of request bytes
    std::string id;
    unsigned action = 1, mode = 0, factor = 255;
    std::string endpoint = "tcp/22", service;
};

int make(const Make& o) {
    auto profile = client::load_profile(o.profile);
    if (!profile)
        return fail(profile.error());
    Request r;
    r.action = static_cast<Action>(o.action);
    r.factor = o.factor == 255 ? profile->factor : static_cast<FactorKind>(o.factor);
    r.address_mode = static_cast<AddressMode>(o.mode);
    if (!o.address.empty())
        r.address = Address::parse(o.address).value();
    if (o.service.empty())
        r.endpoint = Endpoint::parse(o.endpoint).value();
    else
        r.service = service_id(o.service);
    const Now now = Now::read();
    r.clock = now.wall + std::chrono::seconds(o.clock_offset);
    if (o.id.empty())
        randombytes_buf(r.id.data(), r.id.size());
    else
        r.id.fill(static_cast<std::uint8_t>(std::stoul(o.id)));
    if (has_codes(profile->factor)) {
        auto code = client::obtain_code(*profile, o.code.empty() ? std::nullopt : std::optional(o.code));
        if (!code)
            return fail(code.error());
        r.proof = *profile->proof_of(*code);
    }
    RequestBytes bytes = encode_request(r);
    for (const std::string& change : o.set) {
        const auto equals = change.find('=');
        bytes.at(std::stoul(change.substr(0, equals))) =
            static_cast<std::uint8_t>(std::stoul(change.substr(equals + 1), nullptr, 0));
    }
    const Slot slot = slot_of(r.clock) + static_cast<Slot>(o.slot_offset);
    const wire::Nonce nonce = hedged_nonce(profile->keys->nonce, now.wall, bytes);
    if (profile->factor == FactorKind::hmac) {
        Bytes<32> key;
        std::copy_n(profile->factor_key->bytes, key.size(), key.begin());
        const Proof proof = hmac_proof(key, profile->server_id, gate_keys(profile->keys->gate, slot).tag, nonce, bytes);
        std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
    }
    const wire::Packet packet = seal_packet(*profile->keys, slot, nonce, bytes);
    std::cout.write(reinterpret_cast<const char*>(packet.data()), packet.size());
    return 0;
}

int print_code(const Make& o) {
    auto profile = client::load_profile(o.profile);
    if (!profile)
        return fail(profile.error());
    auto code = client::obtain_code(*profile, std::nullopt);
    if (!code)
        return fail(code.error());
    std::cout << *code << "\n";
    return 0;
}

struct Send {
    std::string file, to, source;
    std::uint16_t port = 62201;
    long flip = -1;
    bool flip_all = false;
    long size = -1;
    unsigned count = 1;
};

int send(const Send& o) {
    std::ifstream in(o.file, std::ios::binary);
    const std::string original{std::istreambuf_iterator<char>(in), {}};
    const Address to = Address::parse(o.to).value();
    const Fd fd(::socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    sockaddr_storage address;
    if (!o.source.empty()) {
        const auto size = Address::parse(o.source).value().to_sockaddr(address, 0);
        if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0)
            return fail(os_error("bind"));
    }
    const auto size = to.to_sockaddr(address, o.port);
    const auto put = [&](std::string bytes) {
        if (o.size >= 0)
            bytes.resize(static_cast<std::size_t>(o.size), 'x');
        return ::sendto(fd.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&address), size) >= 0;
    };
    const auto flipped = [&](std::size_t bit) {
        std::string bytes = original;
        bytes.at(bit / 8) = static_cast<char>(bytes.at(bit / 8) ^ (1 << (bit % 8)));
        return bytes;
    };
    for (unsigned i = 0; i < o.count; ++i) {
        if (o.flip_all) {
            for (std::size_t bit = 0; bit < 8 * original.size(); ++bit)
                if (!put(flipped(bit)))
                    return fail(os_error("send"));
        } else if (!put(o.flip >= 0 ? flipped(static_cast<std::size_t>(o.flip)) : original)) {
            return fail(os_error("send"));
        }
    }
    return 0;
}

// The host's byte order, microseconds: what tcpdump writes (pcap-savefile(5)).
int replay(const std::string& file) {
    constexpr std::size_t kFileHead = 24, kRecordHead = 16, kEthernet = 14, kDestination = 16, kLeast = 20;
    std::ifstream in(file, std::ios::binary);
    const std::string heard{std::istreambuf_iterator<char>(in), {}};
    const Fd fd(::socket(AF_INET, SOCK_RAW, IPPROTO_RAW)); // the packet brings its IP header
    unsigned sent = 0;
    for (std::size_t at = kFileHead; at + kRecordHead <= heard.size();) {
        std::uint32_t size = 0;
        std::memcpy(&size, heard.data() + at + 8, sizeof size);
        at += kRecordHead;
        if (size < kEthernet + kLeast || at + size > heard.size())
            return fail(Error{"this is no capture", {}});
        const char* const packet = heard.data() + at + kEthernet;
        sockaddr_in to{};
        to.sin_family = AF_INET;
        std::memcpy(&to.sin_addr, packet + kDestination, sizeof to.sin_addr);
        if (::sendto(fd.get(), packet, size - kEthernet, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0)
            return fail(os_error("send"));
        at += size;
        ++sent;
        ::usleep(1000); // so that they come in order
    }
    std::cout << sent << "\n";
    return sent > 0 ? 0 : fail(Error{"nothing was heard", {}});
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-packet");
    app.require_subcommand(1);
    Make m;
    Send s;
    int (*run)(const Make&, const Send&) = nullptr;
    CLI::App* const make_app = app.add_subcommand("make");
    make_app->add_option("--profile", m.profile)->required();
    make_app->add_option("--code", m.code);
    make_app->add_option("--clock", m.clock_offset, "seconds that the client's clock is off");
    make_app->add_option("--slot", m.slot_offset, "slots that the keys are off");
    make_app->add_option("--set", m.set, "OFFSET=VALUE of a request byte");
    make_app->add_option("--id", m.id, "request id: this byte sixteen times");
    make_app->add_option("--action", m.action);
    make_app->add_option("--mode", m.mode);
    make_app->add_option("--factor", m.factor);
    make_app->add_option("--address", m.address);
    make_app->add_option("--endpoint", m.endpoint);
    make_app->add_option("--service", m.service);
    make_app->callback([&] { run = [](const Make& o, const Send&) { return make(o); }; });
    CLI::App* const send_app = app.add_subcommand("send");
    send_app->add_option("file", s.file)->required();
    send_app->add_option("--to", s.to)->required();
    send_app->add_option("--port", s.port);
    send_app->add_option("--source", s.source);
    send_app->add_option("--flip", s.flip, "one bit");
    send_app->add_flag("--flip-all", s.flip_all, "each bit in turn, one packet each");
    send_app->add_option("--size", s.size, "cut or fill to this size");
    send_app->add_option("--count", s.count);
    send_app->callback([&] { run = [](const Make&, const Send& o) { return send(o); }; });
    CLI::App* const code_app = app.add_subcommand("code");
    code_app->add_option("--profile", m.profile)->required();
    code_app->callback([&] { run = [](const Make& o, const Send&) { return print_code(o); }; });
    CLI::App* const replay_app = app.add_subcommand("replay");
    replay_app->add_option("file", s.file)->required();
    replay_app->callback([&] { run = [](const Make&, const Send& o) { return replay(o.file); }; });
    CLI11_PARSE(app, argc, argv);
    return run(m, s);
}
