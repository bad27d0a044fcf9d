// A runtime in C: asks for an event, wraps it into an answer, again and again.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static char text[65536];

// Sends a request on a connection of its own; returns the answer's body, with its head before it in `text`.
static char *ask(const char *request) {
  char address[64];
  snprintf(address, sizeof address, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
  char *port = strchr(address, ':');
  *port++ = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  inet_pton(AF_INET, address, &to.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr *)&to, sizeof to)) exit(10);
  if (write(connection, request, strlen(request)) < 0) exit(11);
  size_t length = 0;
  ssize_t got;
  while ((got = read(connection, text + length, sizeof text - 1 - length)) > 0) length += got;
  text[length] = 0;
  close(connection);
  char *body = strstr(text, "\r\n\r\n");
  if (!body) exit(12);
  *body = 0;
  return body + 4;
}

int main(void) {
  for (;;) {
    char *event = ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n");
    char *line = strcasestr(text, "lambda-runtime-aws-request-id: ");
    if (!line) exit(13);
    char id[64], answer[60000], request[65000];
    sscanf(strchr(line, ' '), " %63[^\r]", id);
    snprintf(answer, sizeof answer, "{\"from\": \"C\", \"event\": %.50000s}", event);
    snprintf(request, sizeof request,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             id, strlen(answer), answer);
    ask(request);
  }
}
