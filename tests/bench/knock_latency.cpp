// SPDX-License-Identifier: MIT
//
// xk-bench-knock: how long a pinhole takes to open, as its user sees it: from just before the knock is sent until a TCP
// connection stands, tried anew every 100 µs. Knocks are xknock's, sealed here (sealing counts, and the answer to a
// hello), or ready-made packets of another daemon, one a line. Or they are sequences of ports, a millisecond apart;
// then the time begins before the last port. Each knock comes from a source address of its own, whose pinhole is shut
// before. Prints microseconds, one line for each knock, and "-" for one that did not open.
#include "client/knock.h"
#include "client/profile.h"
#include "protocol/otp.h"
#include "protocol/sequence.h"

#include <CLI/CLI.hpp>

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <chrono>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <thread>

using namespace xk;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

constexpr microseconds kTryEvery{100};
// A try older than this met a shut pinhole: its SYN was dropped, and the kernel repeats it after a second only.
constexpr milliseconds kPatience{25};

struct Options {
    std::string server, first;
    std::uint16_t port = 22, knock_port = wire::kDefaultPort;
    std::vector<std::string> profiles;
    std::string packets;
    std::vector<std::uint16_t> ports; // of a fixed sequence
    bool sequence = false;            // the profiles' own sequences
    bool c_lock = false;              // those of c-lock, from the profiles' codes
    bool handshake = false;
    bool tcp = false;
    unsigned count = 1, gap_ms = 20, jitter_ms = 20, timeout_ms = 3000;
};

// The sender of knocks. prepare() does everything but the sending.
class Knocker {
  public:
    virtual ~Knocker() = default;
    virtual Result<void> prepare(unsigned i, const Address& source) = 0;
    virtual Result<void> send() = 0;
};

class Xknock : public Knocker {
  public:
    Xknock(std::vector<client::Profile> profiles, const Address& server, std::uint16_t port)
        : profiles_(std::move(profiles)), server_(server) {
        spec_.endpoint = {IpProtocol::tcp, port};
    }
    // The credentials take turns, so that none of them meets its own rate limit.
    Result<void> prepare(unsigned i, const Address& source) override {
        spec_.source = source;
        auto knock = client::Knock::prepare(profiles_[i % profiles_.size()], spec_, server_);
        if (!knock)
            return knock.error();
        knock_.emplace(*std::move(knock));
        return {};
    }
    Result<void> send() override {
        if (knock_->needs_greeting()) {
            auto answered = knock_->greet(Clock::now() + kAnswer, client::wait_for_packet, [](auto) {});
            if (!answered || !*answered)
                return answered ? Error{"no answer to a hello", {}} : answered.error();
        }
        return knock_->send("");
    }

  private:
    static constexpr std::chrono::seconds kAnswer{3};

    std::vector<client::Profile> profiles_;
    Address server_;
    client::RequestSpec spec_;
    std::optional<client::Knock> knock_;
};

// A socket bound to `source` and connected to `to`, or on the way there if it does not block.
Result<Fd> connect_from(int type, const Address& source, const Address& to, std::uint16_t port) {
    Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    const linger reset{1, 0}; // no TIME_WAIT, and the listener forgets it at once
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if ((type & SOCK_STREAM) != 0)
        ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    sockaddr_storage address;
    socklen_t size = source.to_sockaddr(address, 0);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return os_error("using " + source.text());
    size = to.to_sockaddr(address, port);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS)
        return os_error("connecting to " + to.text());
    return fd;
}

class Packets : public Knocker {
  public:
    Packets(std::vector<std::string> packets, const Address& server, std::uint16_t port)
        : packets_(std::move(packets)), server_(server), port_(port) {}
    Result<void> prepare(unsigned i, const Address& source) override {
        auto fd = connect_from(SOCK_DGRAM, source, server_, port_);
        if (!fd)
            return fd.error();
        fd_ = *std::move(fd);
        packet_ = &packets_.at(i);
        return {};
    }
    Result<void> send() override {
        if (::send(fd_.get(), packet_->data(), packet_->size(), 0) < 0 && errno != ECONNREFUSED)
            return os_error("knocking");
        return {};
    }

  private:
    std::vector<std::string> packets_;
    Address server_;
    std::uint16_t port_;
    Fd fd_;
    const std::string* packet_ = nullptr;
};

// Ports in their order, by datagrams or by SYNs that nobody repeats. All but the last one leave while it is prepared.
class Sequences : public Knocker {
  public:
    Sequences(std::vector<client::Profile> profiles, const Options& o, const Address& server)
        : profiles_(std::move(profiles)), fixed_(o.ports), type_(o.tcp ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM),
          server_(server), c_lock_(o.c_lock) {}
    Result<void> prepare(unsigned i, const Address& source) override {
        auto ports = fixed_;
        if (c_lock_) {
            const client::Profile& profile = profiles_[i % profiles_.size()];
            const auto secret = ByteView(profile.factor_key->bytes).first(profile.factor_key->size);
            ports = sequence::clock_ports(totp_code(secret, totp_step(Now::read().wall), profile.digits));
        } else if (!profiles_.empty()) {
            const client::Profile& profile = profiles_[i % profiles_.size()];
            ports = sequence::strong_ports(profile.keys->sequence, slot_of(Now::read().wall), profile.sequence_ports);
        }
        source_ = source;
        last_ = ports.back();
        ports.pop_back();
        for (const std::uint16_t port : ports) {
            if (auto sent = send_to(port); !sent)
                return sent;
            std::this_thread::sleep_for(kPause);
        }
        return {};
    }
    Result<void> send() override { return send_to(last_); }

  private:
    static constexpr milliseconds kPause{1};

    Result<void> send_to(std::uint16_t port) {
        auto fd = connect_from(type_, source_, server_, port);
        if (!fd)
            return fd.error();
        if (type_ == SOCK_DGRAM && ::send(fd->get(), "", 0, 0) < 0 && errno != ECONNREFUSED)
            return os_error("sending to a port");
        return {};
    }

    std::vector<client::Profile> profiles_;
    std::vector<std::uint16_t> fixed_;
    int type_;
    Address server_, source_;
    bool c_lock_;
    std::uint16_t last_ = 0;
};

// Connections that are being made.
class Tries {
  public:
    Tries(const Address& source, const Address& to, std::uint16_t port) : source_(source), to_(to), port_(port) {}

    Result<void> begin(Clock::time_point now) {
        while (!tries_.empty() && now - tries_.front().begun > kPatience)
            tries_.pop_front();
        auto fd = connect_from(SOCK_STREAM | SOCK_NONBLOCK, source_, to_, port_);
        if (!fd)
            return fd.error();
        tries_.push_back({*std::move(fd), now});
        return {};
    }
    // Waits until then; whether a connection stands.
    bool stands(Clock::time_point until) {
        fds_.clear();
        for (const Try& t : tries_)
            fds_.push_back({t.fd.get(), POLLOUT, 0});
        const auto left = std::max(Clock::duration(0), until - Clock::now());
        const timespec time{static_cast<time_t>(left / std::chrono::seconds(1)),
                            static_cast<long>((left % std::chrono::seconds(1)).count())};
        if (::ppoll(fds_.data(), fds_.size(), &time, nullptr) <= 0)
            return false;
        for (std::size_t i = fds_.size(); i-- > 0;) {
            if (fds_[i].revents == 0)
                continue;
            int failure = 0;
            socklen_t size = sizeof failure;
            ::getsockopt(fds_[i].fd, SOL_SOCKET, SO_ERROR, &failure, &size);
            if (failure == 0)
                return true;
            tries_.erase(tries_.begin() + static_cast<std::ptrdiff_t>(i));
        }
        return false;
    }

  private:
    struct Try {
        Fd fd;
        Clock::time_point begun;
    };
    Address source_, to_;
    std::uint16_t port_;
    std::deque<Try> tries_;
    std::vector<pollfd> fds_;
};

Result<bool> is_open(const Address& source, const Address& server, std::uint16_t port) {
    Tries tries(source, server, port);
    const auto now = Clock::now();
    if (auto begun = tries.begin(now); !begun)
        return begun.error();
    return tries.stands(now + kPatience);
}

// Nothing where the pinhole does not open in time.
Result<std::optional<Clock::duration>> time_to_open(Knocker& knocker, Tries& tries, milliseconds timeout) {
    const auto begin = Clock::now();
    if (auto sent = knocker.send(); !sent)
        return sent.error();
    for (auto next = Clock::now(); next < begin + timeout;) {
        if (const auto now = Clock::now(); now >= next) {
            if (auto begun = tries.begin(now); !begun)
                return begun.error();
            next = std::max(next + kTryEvery, now); // no bursts to catch up
        }
        if (tries.stands(next))
            return std::optional(Clock::now() - begin);
    }
    return std::optional<Clock::duration>();
}

Address plus(const Address& first, unsigned i) {
    Address a = first;
    a.bytes[15] = static_cast<std::uint8_t>(a.bytes[15] + i);
    return a;
}

Result<void> run(const Options& o, Knocker& knocker, const Address& server, const Address& first) {
    std::mt19937 random(std::random_device{}());
    for (unsigned i = 0; i < o.count; ++i) {
        // Not in step with anything that the daemon does periodically.
        const auto jitter = std::uniform_int_distribution<unsigned>(0, 1000 * o.jitter_ms)(random);
        std::this_thread::sleep_for(milliseconds(o.gap_ms) + microseconds(jitter));
        const Address source = plus(first, i);
        auto open = is_open(source, server, o.port);
        if (!open)
            return open.error();
        if (*open)
            return Error{"the port is open to " + source.text() + " before the knock", {}};
        if (auto done = knocker.prepare(i, source); !done)
            return done;
        Tries tries(source, server, o.port);
        auto time = time_to_open(knocker, tries, milliseconds(o.timeout_ms));
        if (!time)
            return time.error();
        if (*time)
            std::cout << std::chrono::duration<double, std::micro>(**time).count() << std::endl;
        else
            std::cout << "-" << std::endl;
    }
    return {};
}

Result<std::unique_ptr<Knocker>> make_knocker(const Options& o, const Address& server) {
    if (!o.ports.empty())
        return std::unique_ptr<Knocker>(new Sequences({}, o, server));
    if (o.packets.empty()) {
        std::vector<client::Profile> profiles;
        for (const std::string& file : o.profiles) {
            auto profile = client::load_profile(file);
            if (!profile)
                return profile.error();
            if (o.handshake)
                profile->mode = ClientMode::handshake;
            profiles.push_back(*std::move(profile));
        }
        if (o.sequence || o.c_lock)
            return std::unique_ptr<Knocker>(new Sequences(std::move(profiles), o, server));
        return std::unique_ptr<Knocker>(new Xknock(std::move(profiles), server, o.port));
    }
    std::ifstream in(o.packets);
    std::vector<std::string> packets;
    for (std::string line; std::getline(in, line);)
        packets.push_back(line);
    if (packets.size() < o.count)
        return Error{o.packets + " has too few packets", {}};
    return std::unique_ptr<Knocker>(new Packets(std::move(packets), server, o.knock_port));
}

Result<void> begin(const Options& o) {
    auto server = Address::parse(o.server);
    if (!server)
        return server.error();
    auto first = Address::parse(o.first);
    if (!first)
        return first.error();
    if (!server->is_v4() || !first->is_v4() || first->bytes[15] + o.count > 255)
        return Error{"the addresses must be IPv4 and the sources within one /24", {}, Exit::usage};
    auto knocker = make_knocker(o, *server);
    if (!knocker)
        return knocker.error();
    return run(o, **knocker, *server, *first);
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-bench-knock");
    Options o;
    app.add_option("--server", o.server)->required();
    app.add_option("--first", o.first, "first source address; each knock takes the next one")->required();
    app.add_option("--port", o.port, "the protected port");
    app.add_option("--count", o.count);
    auto* const profiles = app.add_option("--profile", o.profiles, "of xknock; several take turns");
    auto* const packets = app.add_option("--packets", o.packets, "file with one packet in each line");
    profiles->excludes(packets);
    app.add_option("--ports", o.ports, "of a sequence that is always the same")->excludes(profiles)->excludes(packets);
    app.add_flag("--sequence", o.sequence, "the profiles' own sequences; each is good for one knock in a slot")
        ->needs(profiles);
    app.add_flag("--c-lock", o.c_lock, "the sequences of c-lock of the profiles' codes; each is good for one knock")
        ->needs(profiles);
    app.add_flag("--handshake", o.handshake, "by handshake; its answer is a part of the time")->needs(profiles);
    app.add_flag("--tcp", o.tcp, "sequences by SYNs instead of datagrams");
    app.add_option("--knock-port", o.knock_port, "where --packets go");
    app.add_option("--gap-ms", o.gap_ms, "pause before each knock");
    app.add_option("--jitter-ms", o.jitter_ms, "and a random one up to this");
    app.add_option("--timeout-ms", o.timeout_ms, "after which a grant counts as shut");
    CLI11_PARSE(app, argc, argv);
    if (o.ports.empty() && o.profiles.empty() == o.packets.empty()) {
        std::cerr << "xk-bench-knock: either --profile, --packets or --ports\n";
        return 2;
    }
    ::prctl(PR_SET_TIMERSLACK, 1); // ns; the default of 50 µs would be half the interval
    if (auto done = begin(o); !done) {
        std::cerr << "xk-bench-knock: " << done.error().message << "\n";
        return static_cast<int>(done.error().exit);
    }
    return 0;
}
