// SPDX-License-Identifier: MIT
#include "client/connect.h"

#include "protocol/base/quote.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace xk::client {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Times after a fresh packet at which its identical copy is sent and a connection is tried. The first try gives the
// server time to open the pinhole (below a millisecond) and is usually the only one, so that sshd sees one connection;
// a connection that was tried too early is lost, because the kernel repeats it after a second only.
constexpr milliseconds kCopyAfter{250};
constexpr milliseconds kTries[] = {milliseconds(5), milliseconds(300)};

// Times at which the request is sealed anew and sent.
constexpr milliseconds kFresh[] = {milliseconds(0), milliseconds(1000), milliseconds(3000)};
constexpr milliseconds kOneAddress{3500}; // the most for one address while another one waits
// A name server that answers with sixty addresses must not make the client knock for minutes.
constexpr std::size_t kMostAddresses = 8;
constexpr std::size_t kMostPending = 64; // connections that are being made

milliseconds until(Clock::time_point t) {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(t - Clock::now()));
}

// Time until the client's clock is in the next slot, and a little more for the server's.
milliseconds until_next_slot() {
    const WallTime now = Now::read().wall;
    return std::chrono::ceil<milliseconds>(slot_end(slot_of(now)) - now) + milliseconds(200);
}

struct Event {
    milliseconds at;
    enum class What { fresh, copy, attempt } what;
};

// The schedule of one address: each event with its time after the first packet.
std::vector<Event> schedule() {
    std::vector<Event> events;
    for (const milliseconds fresh : kFresh) {
        events.push_back({fresh, Event::What::fresh});
        events.push_back({fresh + kCopyAfter, Event::What::copy});
        for (const milliseconds attempt : kTries)
            events.push_back({fresh + attempt, Event::What::attempt});
    }
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
    return events;
}

Connected connected(Fd fd, bool knocked, Clock::time_point begin) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    ::getpeername(fd.get(), reinterpret_cast<sockaddr*>(&peer), &size);
    return {std::move(fd), Address::of(reinterpret_cast<const sockaddr&>(peer)), knocked,
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin)};
}

// Knocks at one address until a connection stands or `deadline` has come.
Result<std::optional<Connected>> try_address(Knock& knock, const Address& to, std::uint16_t port,
                                             const std::string& code, Attempts& attempts, Clock::time_point deadline) {
    const Clock::time_point begin = Clock::now();
    const std::vector<Event> events = schedule();
    auto next = events.begin();
    while (Clock::now() < deadline) {
        const Clock::time_point due = next == events.end() ? deadline : std::min(deadline, begin + next->at);
        if (auto fd = attempts.wait(until(due)))
            return std::optional(connected(*std::move(fd), true, begin));
        if (next == events.end() || Clock::now() < begin + next->at)
            continue;
        Result<void> sent;
        switch (next->what) {
        case Event::What::fresh:
            sent = knock.send(code);
            break;
        case Event::What::copy:
            sent = knock.send_copy();
            break;
        case Event::What::attempt:
            attempts.begin(to, port, knock.local());
            break;
        }
        if (!sent)
            return sent.error();
        ++next;
    }
    return std::optional<Connected>();
}

Result<std::vector<Address>> knock_addresses(const Profile& profile, const std::string& host,
                                             const std::vector<Address>& targets) {
    if (profile.server.empty() || profile.server == host)
        return targets;
    return resolve(profile.server);
}

// Returns the address to knock at for a connection to `target`: itself, or the server's address of the same family.
std::optional<Address> knock_address_for(const Address& target, const std::vector<Address>& servers) {
    if (std::find(servers.begin(), servers.end(), target) != servers.end())
        return target;
    const auto same =
        std::find_if(servers.begin(), servers.end(), [&](const Address& a) { return a.is_v4() == target.is_v4(); });
    return same == servers.end() ? std::nullopt : std::optional(*same);
}

// Through a gateway a port means the port of the host behind it.
RequestSpec for_target(const Profile& profile, RequestSpec spec, const Address& target) {
    if (profile.gateway && spec.service == 0 && spec.target == Address{} && spec.action != Action::close_all)
        spec.target = target;
    return spec;
}

// Takes the families by turns (RFC 8305, section 4), so that eight dead addresses of one family do not hide the other.
std::vector<Address> interleaved(const std::vector<Address>& all) {
    std::vector<Address> first, second, mixed;
    for (const Address& address : all)
        (address.is_v4() == all.front().is_v4() ? first : second).push_back(address);
    for (std::size_t i = 0; i < all.size(); ++i)
        for (const auto* family : {&first, &second})
            if (i < family->size() && mixed.size() < kMostAddresses)
                mixed.push_back((*family)[i]);
    return mixed;
}

Error not_open(const std::string& host, std::uint16_t port, int last_failure, bool person) {
    std::string message = "port " + std::to_string(port) + " of " + printable(host) + " did not open";
    if (last_failure != 0)
        message += std::string(" (") + std::strerror(last_failure) + ")";
    return Error{message, person ? "was the code right, and not used yet? is the clock right? does the server run "
                                   "xknockd?"
                                 : "is the clock right? may this credential open it? does the server run xknockd?"};
}

} // namespace

Result<std::vector<Address>> resolve(const std::string& host) {
    if (host.empty() || host.size() > 253)
        return Error{in_quotes(host) + " is not the name of a host", {}, Exit::usage};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* raw = nullptr;
    int failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &raw);
    if (failure == EAI_NONAME || failure == EAI_ADDRFAMILY) { // an address of a family that only loopback has
        hints.ai_flags = AI_NUMERICHOST;
        if (::getaddrinfo(host.c_str(), nullptr, &hints, &raw) == 0)
            failure = 0;
    }
    if (failure != 0)
        return Error{in_quotes(host) + " has no address: " + ::gai_strerror(failure), {}};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, ::freeaddrinfo);
    std::vector<Address> addresses;
    for (const addrinfo* a = list.get(); a != nullptr; a = a->ai_next) {
        const Address address = Address::of(*a->ai_addr);
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
            addresses.push_back(address);
    }
    return interleaved(addresses);
}

void Attempts::begin(const Address& to, std::uint16_t port, const std::optional<Address>& local) {
    Fd fd(::socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_storage address;
    if (fd && local) {
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        const socklen_t size = local->to_sockaddr(address, 0);
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
            return void(last_failure_ = errno);
    }
    const socklen_t size = to.to_sockaddr(address, port);
    if (!fd || (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS)) {
        last_failure_ = errno;
        return;
    }
    if (pending_.size() == kMostPending)
        pending_.erase(pending_.begin());
    pending_.push_back(std::move(fd));
}

std::optional<Fd> Attempts::wait(milliseconds time) {
    const Clock::time_point deadline = Clock::now() + time;
    do {
        std::vector<pollfd> fds;
        for (const Fd& fd : pending_)
            fds.push_back({fd.get(), POLLOUT, 0});
        if (::poll(fds.data(), fds.size(), static_cast<int>(until(deadline).count())) <= 0)
            continue;
        for (std::size_t i = fds.size(); i-- > 0;) {
            if (fds[i].revents == 0)
                continue;
            int failure = 0;
            socklen_t size = sizeof failure;
            ::getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &failure, &size);
            Fd fd = std::move(pending_[i]);
            pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
            if (failure == 0) {
                pending_.clear();
                return fd;
            }
            last_failure_ = failure;
        }
    } while (Clock::now() < deadline);
    return std::nullopt;
}

Result<Connected> knock_and_connect(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                    std::uint16_t port, const std::function<Result<std::string>()>& codes) {
    auto targets = resolve(host);
    if (!targets)
        return targets.error();
    auto servers = knock_addresses(profile, host, *targets);
    if (!servers)
        return servers.error();

    // No knock is needed where an earlier grant still stands or this network is allowed.
    Attempts attempts;
    Clock::time_point begin = Clock::now();
    if (profile.probe.count() > 0) {
        for (const Address& target : *targets)
            attempts.begin(target, port, spec.source);
        if (auto fd = attempts.wait(profile.probe))
            return connected(*std::move(fd), false, begin);
    }
    auto code = codes();
    if (!code)
        return code.error();
    if (auto fd = attempts.wait(milliseconds(0))) // while the person typed
        return connected(*std::move(fd), false, begin);
    attempts = Attempts();

    begin = Clock::now();
    // A code that was used in this slot is refused. The next slot brings another one, for every address.
    const bool makes_codes = profile.factor == FactorKind::totp && profile.is_automatic();
    const Clock::time_point deadline = begin + profile.wait + (makes_codes ? until_next_slot() : milliseconds(0));
    Slot slot = slot_of(Now::read().wall);
    std::optional<Error> trouble; // why an address could not be tried
    bool tried = false;
    while (Clock::now() < deadline) {
        const bool tried_before = std::exchange(tried, false);
        for (std::size_t i = 0; i < targets->size() && Clock::now() < deadline; ++i) {
            if (makes_codes && slot != slot_of(Now::read().wall)) {
                slot = slot_of(Now::read().wall);
                code = codes();
                if (!code)
                    return code.error();
            }
            const auto server = knock_address_for((*targets)[i], *servers);
            if (!server) {
                trouble = Error{
                    "no address of " + printable(profile.server) + " is of the family of " + (*targets)[i].text(), {}};
                continue;
            }
            auto knock = Knock::prepare(profile, for_target(profile, spec, (*targets)[i]), *server);
            if (!knock) {
                trouble = knock.error();
                continue;
            }
            // The last address of the list may wait for a new code; the others give way to the next one.
            const std::size_t left = targets->size() - i;
            const milliseconds most = left > 1      ? kOneAddress
                                      : makes_codes ? std::max(kOneAddress, until_next_slot())
                                                    : profile.wait;
            const auto end = Clock::now() + std::min(most, until(deadline) / static_cast<int>(left));
            auto result = try_address(*knock, (*targets)[i], port, *code, attempts, end);
            if (!result)
                trouble = result.error();
            else if (*result)
                return **std::move(result);
            else
                tried = true;
        }
        if (!tried) { // the network is gone, but a connection that was begun may still come about
            if (attempts.any_pending())
                if (auto fd = attempts.wait(until(deadline)))
                    return connected(*std::move(fd), true, begin);
            tried = tried_before;
            break;
        }
    }
    if (trouble && !tried)
        return *trouble;
    return not_open(host, port, attempts.last_failure(), !profile.is_automatic());
}

Result<void> knock_only(const Profile& profile, const RequestSpec& spec, const std::string& host,
                        const std::string& code) {
    auto servers = resolve(profile.server.empty() ? host : profile.server);
    if (!servers)
        return servers.error();
    auto targets = profile.gateway ? resolve(host) : servers;
    if (!targets)
        return targets.error();
    std::vector<Knock> sent;
    std::optional<Error> trouble;
    for (const Address& server : *servers) {
        const auto target =
            std::ranges::find_if(*targets, [&](const Address& a) { return a.is_v4() == server.is_v4(); });
        if (target == targets->end())
            continue;
        auto knock = Knock::prepare(profile, for_target(profile, spec, *target), server);
        if (!knock) {
            trouble = knock.error();
            continue;
        }
        if (auto done = knock->send(code); !done) {
            trouble = done.error();
            continue;
        }
        sent.push_back(*std::move(knock));
        if (spec.action == Action::open)
            break;
    }
    if (sent.empty())
        return trouble.value_or(Error{"no address of " + printable(host) + " is of the family of the server's", {}});
    ::poll(nullptr, 0, static_cast<int>(kCopyAfter.count()));
    for (Knock& knock : sent)
        if (auto done = knock.send_copy(); !done)
            return done;
    return {};
}

} // namespace xk::client
