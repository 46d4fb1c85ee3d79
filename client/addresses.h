// SPDX-License-Identifier: MIT
//
// Place: one address of a host, with what an Address alone does not say: the interface that a link-local one belongs
// to, and whether a NAT64 translates on the way to it.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/result.h"
#include "protocol/profile/profile_file.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;
struct sockaddr_storage;

namespace xk::client {

struct Place : Address {
    std::uint32_t zone = 0; // the interface's index; 0: none
    bool nat64 = false;

    Place() = default;
    Place(const Address& address) : Address(address) {}
    static Place of(const sockaddr& address);

    bool operator==(const Place& other) const = default;
    // With its zone: fe80::1%wlan0.
    std::string text() const;
    std::uint32_t to_sockaddr(sockaddr_storage& out, std::uint16_t port) const;
    bool is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
};

// The first eight addresses of a name, in the order of RFC 6724 (getaddrinfo) with the families by turns (RFC 8305). A
// literal is itself, in every form that inet_aton(3) knows, with brackets or a zone.
Result<std::vector<Place>> resolve(const std::string& host, Family family = Family::any);

// Whoever must not wait for a name server has a look-up of his own.
using LookUp = std::function<Result<std::vector<Place>>(const std::string& host, Family family)>;

// Takes the families by turns, so that eight dead addresses of one family do not hide the other.
std::vector<Place> interleaved(const std::vector<Place>& all);

// The host as profiles are compared by: in lower case, without the dot of a complete name and without brackets and
// zone. A literal becomes the usual text of its address, so 192.0.513 is 192.0.2.1.
std::string normal_host(std::string_view host);

// Whether the resolver may make this name of the host: server.lan.example.net of server.lan.
bool is_beginning_of(std::string_view host, std::string_view name);

// The complete name that the resolver made of this one, such as server.example.net of "server" (search in
// resolv.conf). Empty when there is none.
std::string completed_name(const std::string& host);

} // namespace xk::client
