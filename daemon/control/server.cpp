// SPDX-License-Identifier: MIT
#include "daemon/control/server.h"

#include "daemon/control/frame.h"
#include "protocol/base/quote.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

namespace xk::control {
namespace {

constexpr const char* kNoRole = R"({"error":"you may not talk to xknockd","hint":"be root, or a member of the )"
                                R"(group in the configuration's control section","exit":1})";
constexpr const char* kTooLong = R"({"error":"the request is too long","exit":1})";
constexpr int kBacklog = 512; // connect() waits while it is full

void send_reply(int fd, std::string_view json) {
    const std::string out = frame(json);
    (void)!::send(fd, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

posix_acl_xattr_entry entry(unsigned tag, unsigned rights, std::uint32_t id = static_cast<std::uint32_t>(-1)) {
    return {htole16(static_cast<std::uint16_t>(tag)), htole16(static_cast<std::uint16_t>(rights)), htole32(id)};
}

// Lets only those users connect to whom find_peer() gives a role; acl(5), linux/posix_acl_xattr.h. root is named
// because it may lack CAP_DAC_OVERRIDE, as in a hardened fail2ban.
Result<void> grant_access(const std::string& path, const Groups& groups) {
    constexpr unsigned kConnect = ACL_READ | ACL_WRITE;
    std::vector<posix_acl_xattr_entry> entries = {entry(ACL_USER_OBJ, kConnect), entry(ACL_USER, kConnect, 0),
                                                  entry(ACL_GROUP_OBJ, 0)};
    std::set<gid_t> named;
    for (const auto& group : {groups.admin, groups.reader})
        if (group && named.insert(*group).second)
            entries.push_back(entry(ACL_GROUP, kConnect, *group));
    entries.push_back(entry(ACL_MASK, kConnect));
    entries.push_back(entry(ACL_OTHER, 0));
    const posix_acl_xattr_header header{htole32(POSIX_ACL_XATTR_VERSION)};
    std::string list(reinterpret_cast<const char*>(&header), sizeof header);
    list.append(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof entries[0]);
    if (::setxattr(path.c_str(), "system.posix_acl_access", list.data(), list.size(), 0) == 0 ||
        (errno == EOPNOTSUPP && ::chmod(path.c_str(), 0666) == 0))
        return {};
    return os_error("giving rights to the control socket " + in_quotes(path));
}

} // namespace

Server::Server(std::string path, Fd listen, Groups groups, Handler handler)
    : path_(std::move(path)), listen_(std::move(listen)), groups_(groups), handler_(std::move(handler)) {}

Result<void> Server::set_groups(Groups groups) {
    groups_ = groups;
    return grant_access(path_, groups);
}

Result<Server> Server::listen_at(const std::string& path, Groups groups, Handler handler) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{"the path of the control socket is too long: " + in_quotes(path), {}, Exit::configuration};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd)
        return os_error("making the control socket");
    ::unlink(path.c_str()); // an earlier daemon left it; our lock proves that no other daemon runs
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return os_error("binding the control socket " + in_quotes(path));
    if (auto done = grant_access(path, groups); !done)
        return done.error();
    if (::listen(fd.get(), kBacklog) != 0)
        return os_error("opening the control socket " + in_quotes(path));
    return Server(path, std::move(fd), groups, std::move(handler));
}

std::size_t Server::count_readers(const std::list<Client>& clients) {
    return static_cast<std::size_t>(
        std::count_if(clients.begin(), clients.end(), [](const Client& c) { return c.peer.role == Role::reader; }));
}

Result<void> Server::accept_clients(const std::function<void(int)>& watch) {
    // A program that connects in a loop must not keep the daemon here.
    for (std::size_t i = 0; i < kMaxWaiting; ++i) {
        Fd fd(::accept4(listen_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            return os_error("accepting a client of the control socket");
        if (!fd)
            break;
        const Peer peer = find_peer(fd.get(), groups_);
        if (peer.role == Role::none) {
            send_reply(fd.get(), kNoRole);
            continue;
        }
        if (waiting_.size() >= kMaxWaiting ||
            (peer.role == Role::reader && count_readers(waiting_) >= kMaxWaitingReaders)) {
            send_reply(fd.get(), kTooMany);
            continue;
        }
        waiting_.push_back({std::move(fd), peer, {}, {}, {}, {}});
        admit_waiting(watch);
    }
    return {};
}

void Server::admit_waiting(const std::function<void(int)>& watch) {
    std::size_t reading = count_readers(clients_);
    for (auto next = waiting_.begin(); next != waiting_.end() && clients_.size() < kMaxClients;) {
        const auto client = next++;
        if (client->peer.role == Role::reader && reading >= kMaxReaders)
            continue;
        reading += client->peer.role == Role::reader;
        client->last = BootClock::now();
        clients_.splice(clients_.end(), waiting_, client);
        watch(client->fd.get());
    }
}

std::list<Server::Client>::iterator Server::find_client(int fd) {
    return std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.fd.get() == fd; });
}

bool Server::wants_write(int fd) const {
    return std::any_of(clients_.begin(), clients_.end(),
                       [&](const Client& c) { return c.fd.get() == fd && c.is_answered(); });
}

bool Server::serve_client(int fd) {
    const auto client = find_client(fd);
    if (client == clients_.end())
        return false;
    bool goes_on = true;
    if (!client->is_answered())
        goes_on = read_request(*client);
    else if (client->rest)
        make_piece(*client);
    if (goes_on && !client->rest && !client->out.empty())
        goes_on = write_reply(*client);
    if (!goes_on)
        clients_.erase(client);
    return goes_on;
}

bool Server::read_request(Client& client) {
    char chunk[16 * 1024];
    for (;;) {
        auto request = take_frame(client.in, kMaxRequest);
        if (!request) {
            send_reply(client.fd.get(), kTooLong);
            return false;
        }
        if (*request) {
            Reply answer = handler_(client.peer, **request);
            client.out = frame(answer.json);
            client.rest = std::move(answer.rest);
            client.last = BootClock::now();
            return true;
        }
        const ssize_t n = ::recv(client.fd.get(), chunk, sizeof chunk, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        client.in.append(chunk, static_cast<std::size_t>(n));
    }
}

void Server::make_piece(Client& client) {
    const auto makers = std::count_if(clients_.begin(), clients_.end(), [](const Client& c) { return bool(c.rest); });
    const BootTime end = BootClock::now() + kPiece / makers;
    bool more = true;
    while (more && (client.last = BootClock::now()) < end)
        more = client.rest(client.out);
    if (more)
        return;
    client.rest = nullptr;
    set_frame_length(client.out);
}

// Calls send() only once: a client that reads as fast as the daemon writes must not keep the daemon here.
bool Server::write_reply(Client& client) {
    const ssize_t n =
        ::send(client.fd.get(), client.out.data() + client.sent, client.out.size() - client.sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client.sent += static_cast<std::size_t>(n);
    return client.sent < client.out.size(); // a connection carries one reply
}

void Server::drop_idle(BootTime now) {
    clients_.remove_if([&](const Client& c) { return now - c.last > kIdle; });
}

} // namespace xk::control
