// SPDX-License-Identifier: MIT
#include "client/addresses.h"

#include "client/nat64.h"
#include "protocol/base/quote.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace xk::client {
namespace {

// A name server that answers with sixty addresses must not make the client knock for minutes.
constexpr std::size_t kMostAddresses = 8;
constexpr std::size_t kMostName = 253;

using List = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// Null, and `failure` says why.
List look_up(const std::string& host, int family, int flags, int& failure) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* raw = nullptr;
    failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &raw);
    return {failure == 0 ? raw : nullptr, ::freeaddrinfo};
}

std::string without_brackets(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    return std::string(host);
}

bool is_of(Family family, const Address& address) {
    return family == Family::any || (family == Family::ipv4) == address.is_v4();
}

} // namespace

Place Place::of(const sockaddr& address) {
    Place place(Address::of(address));
    if (address.sa_family == AF_INET6)
        place.zone = static_cast<const sockaddr_in6*>(static_cast<const void*>(&address))->sin6_scope_id;
    return place;
}

std::string Place::text() const {
    if (zone == 0)
        return Address::text();
    char name[IF_NAMESIZE];
    return Address::text() + "%" + (::if_indextoname(zone, name) != nullptr ? name : std::to_string(zone));
}

std::uint32_t Place::to_sockaddr(sockaddr_storage& out, std::uint16_t port) const {
    const std::uint32_t size = Address::to_sockaddr(out, port);
    if (!is_v4())
        reinterpret_cast<sockaddr_in6&>(out).sin6_scope_id = zone;
    return size;
}

std::vector<Place> interleaved(const std::vector<Place>& all) {
    std::vector<Place> first, second, mixed;
    for (const Place& place : all)
        (place.is_v4() == all.front().is_v4() ? first : second).push_back(place);
    for (std::size_t i = 0; i < all.size(); ++i)
        for (const auto* family : {&first, &second})
            if (i < family->size() && mixed.size() < kMostAddresses)
                mixed.push_back((*family)[i]);
    return mixed;
}

Result<std::vector<Place>> resolve(const std::string& host, Family family) {
    const std::string name = without_brackets(host);
    if (name.empty() || name.size() > kMostName + 1)
        return Error{in_quotes(host) + " is not the name of a host", {}, Exit::usage};
    // Both families, also where one of them has no route: the IPv4 addresses tell which of the others a NAT64 made.
    int failure = 0;
    List list = look_up(name, AF_UNSPEC, 0, failure);
    if (!list && name.size() > 1 && name.back() == '.') // /etc/hosts has names without the dot
        list = look_up(name.substr(0, name.size() - 1), AF_UNSPEC, 0, failure);
    if (!list)
        return Error{in_quotes(host) + " has no address: " + ::gai_strerror(failure), {}};
    std::vector<Place> all, wanted;
    for (const addrinfo* a = list.get(); a != nullptr; a = a->ai_next) {
        const Place place = Place::of(*a->ai_addr);
        if (std::find(all.begin(), all.end(), place) == all.end())
            all.push_back(place);
    }
    mark_nat64(all);
    std::copy_if(all.begin(), all.end(), std::back_inserter(wanted), [&](const Place& p) { return is_of(family, p); });
    if (wanted.empty())
        return Error{in_quotes(host) + " has no " + (family == Family::ipv4 ? "IPv4" : "IPv6") + " address",
                     "its other family was not wanted: -4, -6, or family in the profile"};
    return interleaved(wanted);
}

std::string normal_host(std::string_view host) {
    std::string name = without_brackets(host);
    if (name.size() > 1 && name.back() == '.')
        name.pop_back();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
        return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
    });
    const std::string literal = name.find(':') == name.npos ? name : name.substr(0, name.find('%'));
    int failure = 0;
    const List list = look_up(literal, AF_UNSPEC, AI_NUMERICHOST, failure);
    return list ? Address::of(*list->ai_addr).text() : name;
}

bool is_beginning_of(std::string_view host, std::string_view name) {
    return normal_host(name).starts_with(normal_host(host) + ".");
}

std::string completed_name(const std::string& host) {
    int failure = 0;
    // An address is no name, and one that ends in a dot is complete.
    if (host.empty() || host.size() > kMostName || host.back() == '.' || host.find(':') != host.npos)
        return {};
    const List list = look_up(host, AF_UNSPEC, AI_CANONNAME, failure);
    if (!list || list->ai_canonname == nullptr || normal_host(list->ai_canonname) == normal_host(host))
        return {};
    // One with a dot may be an alias of another host's (CNAME).
    const bool is_completed = is_beginning_of(host, list->ai_canonname);
    return host.find('.') == host.npos || is_completed ? list->ai_canonname : std::string();
}

} // namespace xk::client
