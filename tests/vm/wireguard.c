/* SPDX-License-Identifier: MIT */
/*
 * xk-wireguard DEVICE NAME PORT PEER ENDPOINT ENDPOINT_PORT: configures one end of a WireGuard tunnel that carries
 * everything, by genetlink as wg(8) does it. The keys come from the names, so that each end knows the other's: they
 * keep no secret, and are for tests alone.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void make_key(unsigned char* key, const char* name) {
    crypto_generichash(key, WG_KEY_LEN, (const unsigned char*)name, strlen(name), NULL, 0);
    key[0] &= 248; /* RFC 7748 */
    key[31] = (key[31] & 127) | 64;
}

static struct nlmsghdr* begin(char* buffer, unsigned short family, unsigned char command, unsigned short flags) {
    struct nlmsghdr* message = mnl_nlmsg_put_header(buffer);
    struct genlmsghdr* generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

    message->nlmsg_type = family;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = 1;
    generic->cmd = command;
    generic->version = 1;
    return message;
}

static int take_family(const struct nlattr* attribute, void* family) {
    if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
        *(unsigned short*)family = mnl_attr_get_u16(attribute);
    return MNL_CB_OK;
}

static int take_message(const struct nlmsghdr* message, void* family) {
    return mnl_attr_parse(message, sizeof(struct genlmsghdr), take_family, family);
}

static int talk(struct mnl_socket* socket, struct nlmsghdr* message, char* buffer, size_t size, void* family) {
    ssize_t n;

    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        return -1;
    n = mnl_socket_recvfrom(socket, buffer, size);
    return n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(socket), take_message, family);
}

static void allow_all(struct nlmsghdr* message, unsigned short family, size_t size) {
    static const char none[16];
    struct nlattr* allowed = mnl_attr_nest_start(message, 0);

    mnl_attr_put_u16(message, WGALLOWEDIP_A_FAMILY, family);
    mnl_attr_put(message, WGALLOWEDIP_A_IPADDR, size, none);
    mnl_attr_put_u8(message, WGALLOWEDIP_A_CIDR_MASK, 0);
    mnl_attr_nest_end(message, allowed);
}

static void put_peer(struct nlmsghdr* message, const char* name, const char* address, const char* port) {
    unsigned char private_key[WG_KEY_LEN], public_key[WG_KEY_LEN];
    struct sockaddr_in endpoint = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    struct nlattr *peers, *peer, *allowed;

    make_key(private_key, name);
    crypto_scalarmult_base(public_key, private_key);
    inet_pton(AF_INET, address, &endpoint.sin_addr);
    peers = mnl_attr_nest_start(message, WGDEVICE_A_PEERS);
    peer = mnl_attr_nest_start(message, 0);
    mnl_attr_put(message, WGPEER_A_PUBLIC_KEY, sizeof(public_key), public_key);
    mnl_attr_put(message, WGPEER_A_ENDPOINT, sizeof(endpoint), &endpoint);
    allowed = mnl_attr_nest_start(message, WGPEER_A_ALLOWEDIPS);
    allow_all(message, AF_INET, 4);
    allow_all(message, AF_INET6, 16);
    mnl_attr_nest_end(message, allowed);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, peers);
}

int main(int argc, char** argv) {
    static char buffer[8192];
    unsigned char key[WG_KEY_LEN];
    unsigned short family = 0;
    struct mnl_socket* socket = mnl_socket_open(NETLINK_GENERIC);
    struct nlmsghdr* message;

    if (argc != 7 || sodium_init() < 0 || !socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return 2;
    message = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    if (talk(socket, message, buffer, sizeof(buffer), &family) < 0 || !family) {
        perror("looking for WireGuard");
        return 1;
    }
    message = begin(buffer, family, WG_CMD_SET_DEVICE, NLM_F_ACK);
    make_key(key, argv[2]);
    mnl_attr_put_strz(message, WGDEVICE_A_IFNAME, argv[1]);
    mnl_attr_put(message, WGDEVICE_A_PRIVATE_KEY, sizeof(key), key);
    mnl_attr_put_u16(message, WGDEVICE_A_LISTEN_PORT, (unsigned short)atoi(argv[3]));
    put_peer(message, argv[4], argv[5], argv[6]);
    if (talk(socket, message, buffer, sizeof(buffer), &family) < 0) {
        perror("configuring WireGuard");
        return 1;
    }
    return 0;
}
