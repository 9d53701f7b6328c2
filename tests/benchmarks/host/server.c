/* The reference host: answers like GitHub's GET /user, after a constant latency, from one core.
 *
 *   server PORT LATENCY_MS      prints the port it listens on, 0 chooses one
 *
 * It takes POSTs with a Content-Length, too. Keep-alive, HTTP/1.1, 401 for tokens that start with
 * "bad", and /counters for what it saw.
 * A benchmark's far end must never be the limit: this one answers tens of thousands a second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096
#define ROOM 8192

struct reader { char text[ROOM]; int used; };
struct due { double at; int fd; int kind; };

static struct reader *readers[MOST];
static struct due queue[1 << 16];
static unsigned head, tail;
static long accepted, requests, refused;
static char good[8192], bad[1024];
static int good_length, bad_length;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000.0 + t.tv_nsec / 1e6;
}

static void prepare(void) {
  char body[2048];
  int used = snprintf(body, sizeof body,
                      "{\"login\":\"octavia\",\"id\":1001,\"type\":\"User\",\"name\":\"Octavia\","
                      "\"html_url\":\"http://127.0.0.1/octavia\",\"avatar_url\":null,\"bio\":\"");
  while (used < 1890) body[used++] = 'x';
  used += snprintf(body + used, sizeof body - used, "\"}");
  good_length = snprintf(good, sizeof good,
      "HTTP/1.1 200 OK\r\nServer: reference\r\nContent-Type: application/json; charset=utf-8\r\n"
      "Content-Length: %d\r\nETag: W/\"0123456789abcdef\"\r\nX-OAuth-Scopes: repo, read:org\r\n"
      "X-Accepted-OAuth-Scopes: \r\nX-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4999\r\n"
      "X-RateLimit-Used: 1\r\nX-RateLimit-Resource: core\r\nVary: Accept, Authorization\r\n"
      "X-GitHub-Media-Type: github.v3; format=json\r\nX-GitHub-Request-Id: 0000:0000:0000\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Frame-Options: deny\r\nX-XSS-Protection: 0\r\n"
      "Referrer-Policy: origin-when-cross-origin\r\nX-GitHub-Enterprise-Version: 3.19.0\r\n\r\n%.*s",
      used, used, body);
  bad_length = snprintf(bad, sizeof bad,
      "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n"
      "{\"message\":\"Bad credentials\"}");
}

static void answer(int fd, int kind) {
  char text[512];
  if (kind == 2) {
    char body[256];
    int length = snprintf(body, sizeof body,
        "{\"accepted\":%ld,\"requests\":%ld,\"refused\":%ld}", accepted, requests, refused);
    int used = snprintf(text, sizeof text,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        length, body);
    if (write(fd, text, used) < 0) return;
    return;
  }
  ssize_t sent = kind ? write(fd, bad, bad_length) : write(fd, good, good_length);
  (void)sent;
}

static void close_one(int fd) {
  free(readers[fd]);
  readers[fd] = NULL;
  for (unsigned at = head; at != tail; at++)
    if (queue[at & 0xffff].fd == fd) queue[at & 0xffff].fd = -1;
  close(fd);
}

static void take(int fd, double latency) {
  struct reader *mine = readers[fd];
  char *end;
  while ((end = memmem(mine->text, mine->used, "\r\n\r\n", 4)) != NULL) {
    int kind = 0, length = end + 4 - mine->text;
    end[0] = 0;
    char *sized = strcasestr(mine->text, "content-length:");
    if (sized != NULL) length += atoi(sized + 15);
    if (mine->used < length) { end[0] = '\r'; return; }
    requests++;
    if (!strncmp(mine->text, "GET /counters", 13)) { kind = 2; requests--; }
    else if (strcasestr(mine->text, "bearer bad") != NULL) { kind = 1; refused++; }
    memmove(mine->text, mine->text + length, mine->used - length);
    mine->used -= length;
    if (kind == 2 || latency <= 0) answer(fd, kind);
    else queue[tail++ & 0xffff] = (struct due){now() + latency, fd, kind};
  }
}

static void hear(int poll, int fd, double latency) {
  struct reader *mine = readers[fd];
  ssize_t got = read(fd, mine->text + mine->used, ROOM - mine->used);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    epoll_ctl(poll, EPOLL_CTL_DEL, fd, NULL);
    close_one(fd);
    return;
  }
  mine->used += got;
  take(fd, latency);
}

static void welcome(int poll, int door) {
  int fd, one = 1;
  while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MOST) { close(fd); continue; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    readers[fd] = calloc(1, sizeof(struct reader));
    accepted++;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int argc, char **argv) {
  double latency = argc > 2 ? atof(argv[2]) : 0;
  int one = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  socklen_t size = sizeof here;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(door, (struct sockaddr *)&here, sizeof here) || listen(door, 1024)) return 1;
  getsockname(door, (struct sockaddr *)&here, &size);
  printf("%d\n", ntohs(here.sin_port));
  fflush(stdout);
  prepare();
  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, ready[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
  for (;;) {
    double wait = head == tail ? 1000 : queue[head & 0xffff].at - now();
    int count = epoll_wait(poll, ready, 256, wait < 0 ? 0 : (int)(wait + 0.999));
    for (int i = 0; i < count; i++) {
      if (ready[i].data.fd == door) welcome(poll, door);
      else hear(poll, ready[i].data.fd, latency);
    }
    for (double moment = now(); head != tail && queue[head & 0xffff].at <= moment; head++)
      if (queue[head & 0xffff].fd >= 0) answer(queue[head & 0xffff].fd, queue[head & 0xffff].kind);
  }
}
